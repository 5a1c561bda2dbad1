//! What a sync would change, for people.

use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

/// Rather a longer difference than a longer wait.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A unified diff from `old`, if there is such a file, to `new`. Empty when they are equal; of a new
/// file that is empty the header.
pub(crate) fn unified(dest: &Path, old: Option<&[u8]>, new: &[u8]) -> String {
    let dest = dest.display().to_string();
    if old.is_none() && new.is_empty() {
        return format!("--- /dev/null\n+++ {dest}\n");
    }
    let from = if old.is_some() { &dest } else { "/dev/null" };
    let old = String::from_utf8_lossy(old.unwrap_or_default());
    let new = String::from_utf8_lossy(new);
    TextDiff::configure()
        .timeout(TIMEOUT)
        .diff_lines(old.as_ref(), new.as_ref())
        .unified_diff()
        .header(from, &dest)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_changed_lines_with_their_neighbours() {
        let old = b"1\n2\n3\n4\n5\n6\n";
        let new = b"1\n2\n3\n4\nfive\n6";
        assert_eq!(
            unified(Path::new("/etc/app.conf"), Some(old), new),
            "--- /etc/app.conf\n+++ /etc/app.conf\n@@ -2,5 +2,5 @@\n 2\n 3\n 4\n-5\n-6\n+five\n+6\n\
             \\ No newline at end of file\n"
        );
    }

    #[test]
    fn a_new_file_comes_from_nowhere() {
        assert_eq!(
            unified(Path::new("/etc/app.conf"), None, b"1\n"),
            "--- /dev/null\n+++ /etc/app.conf\n@@ -0,0 +1 @@\n+1\n"
        );
    }

    #[test]
    fn equal_files_have_no_difference() {
        assert_eq!(
            unified(Path::new("/etc/app.conf"), Some(b"1\n"), b"1\n"),
            ""
        );
    }
}
