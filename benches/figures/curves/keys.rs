//! From a put to the file, over the number of keys that the file is made of.

use super::{Line, plot, table};
use crate::proxy::Subject;
use crate::report::mid;

const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];
const CHANGES: usize = 40;

pub fn draw() {
    let (mut times, mut cpus, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for keys in SIZES {
        let x = f64::from(keys);
        let keys = usize::try_from(keys).unwrap();
        let subject = Subject::register(keys);
        let (took, cpu) = subject.change(keys, CHANGES, 0);
        times.push((x, mid(&took)));
        cpus.push((x, cpu));
        sizes.push((x, subject.rss()));
    }
    let lines: [Line<'_>; 3] = [
        ("put → file, ms", times),
        ("CPU per change, ms", cpus),
        ("RSS, MB", sizes),
    ];
    plot(
        "keys",
        "One changed key among so many",
        "keys",
        "ms or MB",
        &lines,
    );
    table("keys", &lines);
}
