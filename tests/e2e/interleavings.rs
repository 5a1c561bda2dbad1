use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::harness::{Confdir, Etcd, Running, SOON, Wire, eventually};

/// Each case starts a proxy; more would take minutes.
const CASES: u32 = 8;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    /// The connection breaks, and a new one can be made.
    Cut,
    /// Old revisions are dropped.
    Compact,
    /// The connection breaks, and by the time it is back what happened meanwhile was compacted.
    CutPutCompact(u8, u8),
    /// Let the proxy get on.
    Settle,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..5_u8).prop_map(Step::Delete),
        2 => Just(Step::Cut),
        2 => Just(Step::Compact),
        2 => (0..5_u8, any::<u8>()).prop_map(|(key, value)| Step::CutPutCompact(key, value)),
        1 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

struct World {
    etcd: Etcd,
    wire: Wire,
}

impl World {
    fn take(&mut self, step: &Step, case: &str) {
        match step {
            Step::Put(key, value) => self.put(case, *key, *value),
            Step::Delete(key) => {
                self.etcd.ctl(&["del", &format!("{case}/{key}")]);
            }
            Step::Cut => self.wire.cut(),
            Step::Compact => self.compact(),
            Step::CutPutCompact(key, value) => {
                self.wire.cut();
                self.put(case, *key, *value);
                self.compact();
            }
            Step::Settle => self.put(case, 9, 0),
            Step::Restart => {
                self.etcd.kill();
                self.etcd.restart();
            }
        }
    }

    fn put(&self, case: &str, key: u8, value: u8) {
        let key = format!("{case}/{key}");
        self.etcd.ctl(&["put", &key, &value.to_string()]);
    }

    fn compact(&self) {
        // Fails where there is nothing since the last time.
        let _nothing_to_do = self
            .etcd
            .try_ctl(&["compact", &self.etcd.revision().to_string()]);
    }

    /// What the file should hold.
    fn state(&self, case: &str) -> String {
        let listed = self.etcd.ctl(&["get", "--prefix", &format!("{case}/")]);
        let lines: Vec<_> = listed.lines().collect();
        lines
            .chunks(2)
            .map(|pair| format!("{}={}\n", pair[0], pair[1]))
            .collect()
    }
}

#[test]
fn whatever_happens_the_file_ends_up_as_the_keys_are() {
    let etcd = Etcd::start();
    let mut world = World {
        wire: Wire::to(etcd.address()),
        etcd,
    };
    let mut runner = TestRunner::default();
    let steps = prop::collection::vec(step(), 1..25);
    for number in 0..CASES {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let case = format!("/case{number}");
        let confdir = Confdir::new().with(
            "keys",
            &format!("keys = [\"{case}\"]"),
            &format!("{{{{range gets \"{case}/*\"}}}}{{{{.Key}}}}={{{{.Value}}}}\n{{{{end}}}}"),
        );
        let proxy = Running::proxy(&world.wire.url(), &confdir, &["--debounce", "5ms:20ms"]);
        for step in &steps {
            world.take(step, &case);
        }
        let state = world.state(&case);
        eventually(&format!("{steps:?}"), SOON, || match confdir.read("keys") {
            Some(text) if text == state => Ok(()),
            text => Err(format!("{text:?}, not {state:?}\n{}", proxy.log())),
        });
    }
}
