use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    Fails,
    Cancelled,
}

impl Fate {
    /// `failure`: the number of those before.
    fn answer(self, failure: usize) -> TaskResult<usize> {
        match self {
            Self::Done => TaskResult::Done,
            Self::Fails => TaskResult::Failed(failure),
            Self::Cancelled => TaskResult::Cancelled(failure),
        }
    }
}

/// The world that a transaction acts on, and what must hold in it at every moment.
#[derive(Clone, Debug)]
struct Disk {
    found: Vec<Found>,
    reload: bool,
    staged: BTreeSet<usize>,
    new: BTreeSet<usize>,
    backups: BTreeSet<usize>,
    owed: BTreeSet<usize>,
    /// Each check, and the files on which it passed.
    passed: BTreeSet<(CheckId, BTreeSet<usize>)>,
    staged_passed: BTreeSet<usize>,
    /// What the daemon runs with.
    running: BTreeSet<usize>,
    /// Could not be put back, and will be at the next start.
    stuck: BTreeSet<usize>,
}

impl Disk {
    fn new(found: &[Found], reload: bool) -> Self {
        let owed = found.iter().enumerate().filter(|(_, found)| found.owed);
        Self {
            found: found.to_vec(),
            reload,
            staged: BTreeSet::new(),
            new: BTreeSet::new(),
            backups: BTreeSet::new(),
            owed: owed.map(|(index, _)| index).collect(),
            passed: BTreeSet::new(),
            staged_passed: BTreeSet::new(),
            running: BTreeSet::new(),
            stuck: BTreeSet::new(),
        }
    }

    fn act(&mut self, task: Task, fate: Fate) {
        if fate == Fate::Done {
            self.succeed(task);
        } else if let Task::Restore(member) = task {
            self.stuck.insert(member);
        }
        self.assert_sound();
    }

    fn succeed(&mut self, task: Task) {
        match task {
            Task::Stage(member) => {
                assert!(self.found[member].changed);
                self.staged.insert(member);
            }
            Task::CheckStaged(member) => {
                assert!(self.staged.contains(&member));
                self.staged_passed.insert(member);
            }
            Task::MarkOwed(member) => {
                assert!(self.owed.insert(member));
            }
            Task::Backup(member) => {
                assert!(!self.new.contains(&member));
                self.backups.insert(member);
            }
            Task::Swap(member) => {
                assert!(self.staged.remove(&member));
                if self.found[member].check == Check::Staged {
                    assert!(self.staged_passed.contains(&member));
                }
                self.new.insert(member);
            }
            Task::CheckSwapped(check) => {
                self.passed.insert((check, self.judged()));
            }
            Task::Restore(member) => {
                assert!(self.backups.remove(&member));
                self.new.remove(&member);
            }
            Task::DropBackup(member) => {
                assert!(self.backups.remove(&member));
                assert!(self.is_good(member));
            }
            Task::Reload => {
                assert!(self.reload && self.stuck.is_empty());
                for member in 0..self.found.len() {
                    let judged = self.new.contains(&member) || self.found[member].owed;
                    assert!(!judged || self.is_good(member));
                }
                self.running = self.new.clone();
            }
            Task::ClearOwed(member) => {
                assert!(self.owed.remove(&member));
            }
        }
    }

    /// Its check has passed on exactly the files that are there now.
    fn is_good(&self, member: usize) -> bool {
        match self.found[member].check {
            Check::Never | Check::Staged => true,
            Check::Swapped(check) => self.passed.contains(&(check, self.judged())),
        }
    }

    fn judged(&self) -> BTreeSet<usize> {
        self.new.difference(&self.stuck).copied().collect()
    }

    /// Were we killed now, nothing would be lost.
    fn assert_sound(&self) {
        for member in &self.new {
            assert!(self.backups.contains(member) || self.is_good(*member));
            let reloaded = !self.reload || self.running.contains(member);
            assert!(self.owed.contains(member) || reloaded);
        }
    }
}

fn fates(task: Task) -> &'static [Fate] {
    match task {
        Task::Stage(_) | Task::CheckStaged(_) | Task::CheckSwapped(_) | Task::Reload => {
            &[Fate::Done, Fate::Fails, Fate::Cancelled]
        }
        Task::MarkOwed(_)
        | Task::Backup(_)
        | Task::Swap(_)
        | Task::Restore(_)
        | Task::DropBackup(_)
        | Task::ClearOwed(_) => &[Fate::Done, Fate::Fails],
    }
}

/// Runs to the end; `fate` is asked for what becomes of each task. Verdicts name failures by
/// their number.
fn run(
    found: &[Found],
    reload: bool,
    mut fate: impl FnMut(Task) -> Fate,
) -> (Vec<Task>, Vec<(Conclusion<usize>, bool)>) {
    let mut disk = Disk::new(found, reload);
    let mut transaction = Transaction::new(found.iter().copied(), reload);
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    let mut next = transaction.begin();
    while let Some(task) = next {
        tasks.push(task);
        assert!(tasks.len() < 200, "does not end: {tasks:?}");
        let fate = fate(task);
        assert!(fates(task).contains(&fate));
        let answer = fate.answer(failures.len());
        if fate != Fate::Done {
            failures.push(task);
        }
        disk.act(task, fate);
        next = transaction.on(answer);
    }
    let verdicts: Vec<_> = transaction.verdicts().collect();
    assert_ends_well(&disk, &failures, &verdicts);
    (tasks, verdicts)
}

fn assert_ends_well(disk: &Disk, failures: &[Task], verdicts: &[(Conclusion<usize>, bool)]) {
    for (member, &(verdict, owed)) in verdicts.iter().enumerate() {
        let found = disk.found[member];
        let new = disk.new.contains(&member);
        assert_eq!(owed, disk.owed.contains(&member));
        match verdict {
            Conclusion::InStep => assert!(!found.changed && !owed),
            Conclusion::Updated => {
                assert!(new && disk.is_good(member) && !owed);
                assert!(!disk.backups.contains(&member));
            }
            Conclusion::Failed(failure) => assert!(failure < failures.len()),
        }
        if disk.backups.contains(&member) {
            let restore = failures.contains(&Task::Restore(member));
            assert!(restore || failures.contains(&Task::DropBackup(member)));
        }
    }
}

fn done(found: &[Found], reload: bool) -> Vec<Task> {
    run(found, reload, |_| Fate::Done).0
}

fn changed(check: Check) -> Found {
    Found {
        changed: true,
        check,
        owed: false,
    }
}

fn in_step(owed: bool) -> Found {
    Found {
        changed: false,
        check: Check::Swapped(0),
        owed,
    }
}

use Task::*;

#[test]
fn a_file_in_step_is_left_alone() {
    assert_eq!(done(&[in_step(false)], true), []);
}

#[test]
fn a_staged_check_comes_before_the_swap() {
    assert_eq!(
        done(&[changed(Check::Staged)], true),
        [
            Stage(0),
            CheckStaged(0),
            MarkOwed(0),
            Swap(0),
            Reload,
            ClearOwed(0)
        ]
    );
}

#[test]
fn a_check_of_the_whole_tree_comes_between_swap_and_reload() {
    assert_eq!(
        done(&[changed(Check::Swapped(0))], true),
        [
            Stage(0),
            MarkOwed(0),
            Backup(0),
            Swap(0),
            CheckSwapped(0),
            DropBackup(0),
            Reload,
            ClearOwed(0)
        ]
    );
}

#[test]
fn without_a_reload_nothing_is_owed() {
    assert_eq!(done(&[changed(Check::Never)], false), [Stage(0), Swap(0)]);
}

#[test]
fn a_group_is_checked_and_reloaded_once() {
    assert_eq!(
        done(
            &[changed(Check::Swapped(0)), changed(Check::Swapped(0))],
            true
        ),
        [
            Stage(0),
            Stage(1),
            MarkOwed(0),
            MarkOwed(1),
            Backup(0),
            Swap(0),
            Backup(1),
            Swap(1),
            CheckSwapped(0),
            DropBackup(0),
            DropBackup(1),
            Reload,
            ClearOwed(0),
            ClearOwed(1)
        ]
    );
}

#[test]
fn a_failed_staged_check_does_not_stop_the_others() {
    let (tasks, verdicts) = run(
        &[changed(Check::Staged), changed(Check::Staged)],
        true,
        |task| match task {
            CheckStaged(0) => Fate::Fails,
            _ => Fate::Done,
        },
    );
    assert_eq!(
        tasks,
        [
            Stage(0),
            CheckStaged(0),
            Stage(1),
            CheckStaged(1),
            MarkOwed(1),
            Swap(1),
            Reload,
            ClearOwed(1)
        ]
    );
    assert_eq!(
        verdicts,
        [(Conclusion::Failed(0), false), (Conclusion::Updated, false)]
    );
}

#[test]
fn a_failed_check_of_swapped_files_puts_the_old_one_back() {
    let (tasks, verdicts) = run(&[changed(Check::Swapped(0))], true, |task| match task {
        CheckSwapped(0) => Fate::Fails,
        _ => Fate::Done,
    });
    assert_eq!(
        tasks[3..],
        [Swap(0), CheckSwapped(0), Restore(0), ClearOwed(0)]
    );
    assert_eq!(verdicts, [(Conclusion::Failed(0), false)]);
}

#[test]
fn when_a_shared_check_fails_the_members_are_tried_one_by_one() {
    let mut bad_is_in = false;
    let (tasks, verdicts) = run(
        &[changed(Check::Swapped(0)), changed(Check::Swapped(0))],
        true,
        |task| {
            match task {
                Swap(0) => bad_is_in = true,
                Restore(0) => bad_is_in = false,
                CheckSwapped(0) if bad_is_in => return Fate::Fails,
                _ => {}
            }
            Fate::Done
        },
    );
    assert_eq!(
        tasks[8..],
        [
            CheckSwapped(0),
            Restore(1),
            Restore(0),
            Stage(0),
            Backup(0),
            Swap(0),
            CheckSwapped(0),
            Restore(0),
            Stage(1),
            Backup(1),
            Swap(1),
            CheckSwapped(0),
            DropBackup(1),
            Reload,
            ClearOwed(0),
            ClearOwed(1)
        ]
    );
    assert_eq!(
        verdicts,
        [(Conclusion::Failed(1), false), (Conclusion::Updated, false)]
    );
}

#[test]
fn a_file_without_a_check_is_judged_by_the_check_of_the_other() {
    let mut bad_is_in = false;
    let (_, verdicts) = run(
        &[changed(Check::Never), changed(Check::Swapped(0))],
        true,
        |task| {
            match task {
                Swap(0) => bad_is_in = true,
                Restore(0) => bad_is_in = false,
                CheckSwapped(0) if bad_is_in => return Fate::Fails,
                _ => {}
            }
            Fate::Done
        },
    );
    assert_eq!(
        verdicts,
        [(Conclusion::Failed(1), false), (Conclusion::Updated, false)]
    );
}

#[test]
fn a_failed_reload_stays_owed() {
    let (tasks, verdicts) = run(&[changed(Check::Never)], true, |task| match task {
        Reload => Fate::Fails,
        _ => Fate::Done,
    });
    assert_eq!(tasks, [Stage(0), MarkOwed(0), Swap(0), Reload]);
    assert_eq!(verdicts, [(Conclusion::Failed(0), true)]);
}

#[test]
fn an_owed_reload_is_made_up_for_once_the_files_pass_the_check() {
    let found = [in_step(true)];
    assert_eq!(done(&found, true), [CheckSwapped(0), Reload, ClearOwed(0)]);

    let (tasks, verdicts) = run(&found, true, |_| Fate::Fails);
    assert_eq!(tasks, [CheckSwapped(0)]);
    assert_eq!(verdicts, [(Conclusion::Failed(0), true)]);
}

#[test]
fn a_reload_owed_for_the_old_file_does_not_wait_for_a_good_new_one() {
    let found = Found {
        owed: true,
        ..changed(Check::Staged)
    };
    let (tasks, verdicts) = run(&[found], true, |task| match task {
        CheckStaged(0) => Fate::Fails,
        _ => Fate::Done,
    });
    assert_eq!(tasks, [Stage(0), CheckStaged(0), Reload, ClearOwed(0)]);
    assert_eq!(verdicts, [(Conclusion::Failed(0), false)]);
}

#[test]
fn a_check_that_passed_on_files_which_were_put_back_counts_for_nothing() {
    let found = [
        changed(Check::Swapped(0)),
        changed(Check::Swapped(1)),
        in_step(true),
    ];
    let mut put_back = false;
    let (tasks, _) = run(&found, true, |task| {
        put_back |= task == Restore(0);
        match task {
            CheckSwapped(1) => Fate::Fails,
            Stage(_) if put_back => Fate::Fails,
            _ => Fate::Done,
        }
    });
    assert_eq!(
        tasks[8..],
        [
            CheckSwapped(0),
            CheckSwapped(1),
            Restore(1),
            Restore(0),
            Stage(0),
            Stage(1),
            CheckSwapped(0),
            Reload,
            ClearOwed(0),
            ClearOwed(1),
            ClearOwed(2)
        ]
    );
}

#[test]
fn a_file_that_cannot_be_put_back_stops_the_reload() {
    let (tasks, verdicts) = run(
        &[changed(Check::Swapped(0)), changed(Check::Never)],
        true,
        |task| match task {
            CheckSwapped(0) | Restore(0) => Fate::Fails,
            _ => Fate::Done,
        },
    );
    assert_eq!(
        tasks[8..],
        [CheckSwapped(0), Restore(1), Restore(0), ClearOwed(1)]
    );
    assert_eq!(
        verdicts,
        [
            (Conclusion::Failed(1), true),
            (Conclusion::Failed(0), false)
        ]
    );
}

#[test]
fn being_told_to_stop_undoes_what_is_not_judged_and_starts_nothing() {
    let (tasks, verdicts) = run(
        &[changed(Check::Swapped(0)), changed(Check::Swapped(0))],
        true,
        |task| match task {
            CheckSwapped(0) => Fate::Cancelled,
            _ => Fate::Done,
        },
    );
    assert_eq!(
        tasks[8..],
        [
            CheckSwapped(0),
            Restore(1),
            Restore(0),
            ClearOwed(0),
            ClearOwed(1)
        ]
    );
    assert_eq!(
        verdicts,
        [
            (Conclusion::Failed(0), false),
            (Conclusion::Failed(0), false)
        ]
    );
}

/// Every fate of every task.
fn explore(found: &[Found], reload: bool, path: &mut Vec<Fate>) -> usize {
    let mut asked = 0;
    let mut branch = None;
    let (_, _) = run(found, reload, |task| {
        let fate = path.get(asked).copied().unwrap_or_else(|| {
            branch.get_or_insert((asked, task));
            Fate::Done
        });
        asked += 1;
        fate
    });
    let Some((depth, task)) = branch else {
        return 1;
    };
    fates(task)
        .iter()
        .map(|&fate| {
            path.truncate(depth);
            path.push(fate);
            explore(found, reload, path)
        })
        .sum()
}

fn every_found(check: CheckId) -> Vec<Found> {
    let mut every = Vec::new();
    for changed in [false, true] {
        for owed in [false, true] {
            for check in [Check::Never, Check::Staged, Check::Swapped(check)] {
                every.push(Found {
                    changed,
                    check,
                    owed,
                });
            }
        }
    }
    every
}

#[test]
fn nothing_is_lost_whatever_fails_with_one_file() {
    let mut paths = 0;
    for found in every_found(0) {
        for reload in [false, true] {
            let owed = reload && found.owed;
            paths += explore(&[Found { owed, ..found }], reload, &mut Vec::new());
        }
    }
    assert!(paths > 100, "{paths}");
}

#[test]
fn nothing_is_lost_whatever_fails_with_two_files() {
    let mut paths = 0;
    for first in every_found(0) {
        for second in every_found(0).into_iter().chain(every_found(1)) {
            let found = [first, second];
            paths += explore(&found, true, &mut Vec::new());
        }
    }
    assert!(paths > 10_000, "{paths}");
}

fn any_found() -> impl Strategy<Value = Found> {
    let check = prop_oneof![
        Just(Check::Never),
        Just(Check::Staged),
        (0_usize..3).prop_map(Check::Swapped)
    ];
    (any::<bool>(), check, any::<bool>()).prop_map(|(changed, check, owed)| Found {
        changed,
        check,
        owed,
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_whatever_fails_with_many_files(
        found in prop::collection::vec(any_found(), 0..6),
        reload: bool,
        picks in prop::collection::vec(0_usize..12, 200),
    ) {
        let found: Vec<Found> = found
            .into_iter()
            .map(|found| Found { owed: reload && found.owed, ..found })
            .collect();
        let mut picks = picks.into_iter();
        run(&found, reload, |task| {
            let pick = picks.next().unwrap_or_default();
            fates(task).get(pick).copied().unwrap_or(Fate::Done)
        });
    }
}
