//! What the processes need, at each quiet point.

use std::fs;
use std::time::Duration;

use crate::harness::Running;

const KINDS: [&str; 2] = ["agent", "proxy"];

/// What is measured, its unit, and how much more of it may be noise. Of the memory that is what the
/// process has allocated: how much of its code is resident is the kernel's choice.
const MEASURED: [(&str, f64); 3] = [
    ("memory (RssAnon, KiB)", 1024.0),
    ("descriptors", 2.0),
    ("threads", 1.0),
];

/// Besides, as a share.
const NOISE: f64 = 0.1;

type Sample = [f64; MEASURED.len()];

#[derive(Default)]
pub struct Figures {
    took: Vec<Duration>,
    /// For each kind of process the mean at each quiet point.
    samples: [Vec<Sample>; KINDS.len()],
}

impl Figures {
    pub fn rounds(&self) -> usize {
        self.took.len()
    }

    /// A quiet point: how long it took to get there, and the processes of each kind.
    pub fn add(&mut self, took: Duration, processes: [Vec<&Running>; KINDS.len()]) {
        self.took.push(took);
        for (samples, processes) in self.samples.iter_mut().zip(processes) {
            let each: Vec<_> = processes.into_iter().map(sample).collect();
            let count = u32::try_from(each.len()).unwrap();
            samples.push(std::array::from_fn(|n| {
                each.iter().map(|sample| sample[n]).sum::<f64>() / f64::from(count)
            }));
        }
    }

    pub fn table(&self) -> Vec<String> {
        let mut took = self.took.clone();
        took.sort();
        let mut lines = vec![
            format!(
                "{} quiet points; in step after {:.1?} (median), {:.1?} (longest)",
                took.len(),
                took[took.len() / 2],
                took[took.len() - 1],
            ),
            "| never restarted, mean | first third | last third | most |".to_owned(),
            "| --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.rows().map(|row| {
            format!(
                "| {} | {:.1} | {:.1} | {:.1} |",
                row.name, row.first, row.last, row.most
            )
        }));
        lines
    }

    /// What was more in the last third than in the first.
    pub fn grown(&self) -> Vec<String> {
        let grown = self
            .rows()
            .filter(|row| row.last > row.first * (1.0 + NOISE) + row.noise);
        grown.map(|row| row.name).collect()
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        KINDS.iter().zip(&self.samples).flat_map(|(kind, samples)| {
            MEASURED.iter().enumerate().map(move |(n, (what, noise))| {
                let values: Vec<_> = samples.iter().map(|sample| sample[n]).collect();
                let third = values.len() / 3;
                Row {
                    name: format!("{kind}: {what}"),
                    noise: *noise,
                    first: median(&values[..third]),
                    last: median(&values[values.len() - third..]),
                    most: values.iter().copied().fold(0.0, f64::max),
                }
            })
        })
    }
}

struct Row {
    name: String,
    noise: f64,
    first: f64,
    last: f64,
    most: f64,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn sample(process: &Running) -> Sample {
    let status = process.proc("status");
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse().unwrap()
    };
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap();
    let descriptors = u32::try_from(descriptors.count()).unwrap();
    [field("RssAnon:"), f64::from(descriptors), field("Threads:")]
}
