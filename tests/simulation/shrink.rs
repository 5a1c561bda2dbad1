//! Leaves out of a schedule what its failure does not need.

use crate::schedule::Schedule;

/// The smallest schedule that was found for which `fails` still holds.
pub fn shrink(mut schedule: Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    loop {
        let before = (schedule.steps.len(), schedule.length());
        without_chunks(&mut schedule, &fails);
        simpler_setting(&mut schedule, &fails);
        shorter(&mut schedule, &fails);
        if before == (schedule.steps.len(), schedule.length()) {
            return schedule;
        }
    }
}

impl Schedule {
    fn length(&self) -> u64 {
        self.steps.iter().map(|step| step.after).sum()
    }
}

/// Halves, quarters and so on down to single steps. Their time goes with them, or stays.
fn without_chunks(schedule: &mut Schedule, fails: &impl Fn(&Schedule) -> bool) {
    let mut size = schedule.steps.len().max(1);
    while size > 0 {
        let mut start = 0;
        while start < schedule.steps.len() {
            let end = (start + size).min(schedule.steps.len());
            let mut without = schedule.clone();
            let cut = without.steps.drain(start..end);
            let time: u64 = cut.map(|step| step.after).sum();
            let mut patient = without.clone();
            if let Some(next) = patient.steps.get_mut(start) {
                next.after += time;
            }
            if fails(&without) {
                *schedule = without;
            } else if fails(&patient) {
                *schedule = patient;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
}

fn simpler_setting(schedule: &mut Schedule, fails: &impl Fn(&Schedule) -> bool) {
    let mut tries: Vec<Schedule> = Vec::new();
    let mut without = |change: fn(&mut Schedule)| {
        let mut simpler = schedule.clone();
        change(&mut simpler);
        tries.push(simpler);
    };
    without(|schedule| schedule.setting.proxy = None);
    without(|schedule| schedule.setting.epilogue = false);
    without(|schedule| schedule.setting.others_stay = false);
    without(|schedule| schedule.setting.slack = 0);
    without(|schedule| schedule.setting.interval = None);
    without(|schedule| schedule.setting.paged = false);
    for agent in 0..schedule.setting.agents.len() {
        for service in 0..schedule.setting.agents[agent].services.len() {
            let mut simpler = schedule.clone();
            simpler.setting.agents[agent].services.remove(service);
            tries.push(simpler);
        }
    }
    for simpler in tries {
        if fails(&simpler) {
            *schedule = simpler;
            return;
        }
    }
}

fn shorter(schedule: &mut Schedule, fails: &impl Fn(&Schedule) -> bool) {
    for number in 0..schedule.steps.len() {
        for divisor in [u64::MAX, 10, 2] {
            let mut shorter = schedule.clone();
            let after = &mut shorter.steps[number].after;
            if *after < 2 {
                break;
            }
            *after /= divisor;
            if fails(&shorter) {
                *schedule = shorter;
                break;
            }
        }
    }
}
