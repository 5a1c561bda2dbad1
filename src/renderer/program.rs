//! Which program a command starts, as far as its first words tell.

/// What stands before a command and changes only how it runs.
const PREFIXES: &[&str] = &[
    "command", "env", "exec", "nice", "nohup", "setsid", "sudo", "timeout",
];

/// They do something to what a later word names, after one that says what.
const MANAGERS: &[&str] = &[
    "docker",
    "podman",
    "rc-service",
    "service",
    "supervisorctl",
    "sv",
    "systemctl",
];

/// For these the name comes first.
const NAME_FIRST: &[&str] = &["rc-service", "service"];

/// They take the next word along.
const OPTIONS_WITH_VALUE: &[&str] = &["--signal", "-e", "-g", "-s", "-u", "-w"];

/// They say nothing of what is meant: shells, their own commands, interpreters, tools for everything.
const TOOLS: &[&str] = &[
    ":", "[", "ash", "awk", "bash", "busybox", "cat", "cd", "chmod", "chown", "cmp", "cp", "curl",
    "dash", "diff", "echo", "egrep", "false", "find", "flock", "for", "grep", "if", "install",
    "jq", "kill", "killall", "ksh", "ln", "logger", "ls", "mkdir", "mv", "node", "perl", "php",
    "pkill", "printf", "python", "python3", "read", "rm", "rsync", "ruby", "sed", "set", "sh",
    "sleep", "sort", "ssh", "tee", "test", "touch", "tr", "trap", "true", "until", "wc", "wget",
    "while", "xargs", "zsh",
];

/// The program's name, or that of the unit or container that is acted on. None where there is no
/// telling.
pub(crate) fn program(command: &str) -> Option<&str> {
    let first = command
        .split([';', '&', '|', '<', '>', '(', ')', '\n'])
        .next()?;
    let mut words = Words(first.split_whitespace()).peekable();
    while words
        .next_if(|word| PREFIXES.contains(&name(word)) || is_setting(word))
        .is_some()
    {}
    let program = name(words.next()?);
    let program = if MANAGERS.contains(&program) {
        let of_manager = words.nth(usize::from(!NAME_FIRST.contains(&program)))?;
        of_manager.strip_suffix(".service").unwrap_or(of_manager)
    } else {
        program
    };
    let is_plain = |c: char| c.is_alphanumeric() || "._+@:-".contains(c);
    let tells = program.chars().all(is_plain) && !TOOLS.contains(&program);
    tells.then_some(program)
}

/// Words of the shell itself, which need no program.
const OF_THE_SHELL: &[&str] = &[
    ".", ":", "[", "break", "case", "cd", "command", "echo", "eval", "exec", "exit", "export",
    "false", "for", "if", "kill", "printf", "pwd", "read", "return", "set", "shift", "test",
    "times", "trap", "true", "type", "ulimit", "umask", "unset", "until", "wait", "while",
];

/// The program that a shell looks for first, as it is written. None where that needs no program, or there
/// is no telling.
#[must_use]
pub fn started_by(command: &str) -> Option<&str> {
    let is_setting = |word: &&str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    let first = command
        .split([';', '&', '|', '<', '>', '(', ')', '\n'])
        .next()?;
    let mut words = first
        .split_whitespace()
        .skip_while(|word| is_setting(word) || matches!(*word, "exec" | "command"));
    let word = words.next()?.trim_matches(['"', '\'']);
    let is_plain = |c: char| c.is_alphanumeric() || "._+@:-/[".contains(c);
    let tells = word.chars().all(is_plain) && !word.is_empty() && !word.starts_with('-');
    (tells && !OF_THE_SHELL.contains(&word)).then_some(word)
}

/// A variable, or a number for a prefix.
fn is_setting(word: &str) -> bool {
    word.contains('=') || word.starts_with(|c: char| c.is_ascii_digit())
}

fn name(word: &str) -> &str {
    let word = word.trim_matches(['"', '\'']);
    word.rsplit_once('/').map_or(word, |(_, name)| name)
}

/// Those that are no options.
struct Words<'c>(std::str::SplitWhitespace<'c>);

impl<'c> Iterator for Words<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<&'c str> {
        loop {
            let word = self.0.next()?;
            if !word.starts_with('-') {
                return Some(word);
            }
            if OPTIONS_WITH_VALUE.contains(&word) {
                self.0.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_first_word_without_its_directory() {
        for command in [
            "nginx -s reload",
            "/usr/sbin/nginx -t -c {{.src}}",
            "'/opt/nginx/sbin/nginx' -t",
            "nginx;echo done",
            "nginx -t && nginx -s reload",
        ] {
            assert_eq!(program(command), Some("nginx"), "{command}");
        }
    }

    #[test]
    fn what_stands_before_it_does_not_count() {
        for command in [
            "exec nginx -t",
            "LANG=C TZ=UTC nginx -t",
            "sudo -n -u www /usr/sbin/nginx -t",
            "env -i PATH=/bin nginx -t",
            "timeout 5 nice -19 nginx -t",
        ] {
            assert_eq!(program(command), Some("nginx"), "{command}");
        }
    }

    #[test]
    fn a_unit_and_a_container_count_as_programs() {
        for command in [
            "systemctl reload nginx",
            "systemctl --no-block try-reload-or-restart nginx.service",
            "service nginx reload",
            "sudo rc-service nginx reload",
            "docker exec -u root nginx nginx -t",
            "docker kill -s HUP nginx",
            "supervisorctl restart nginx",
        ] {
            assert_eq!(program(command), Some("nginx"), "{command}");
        }
    }

    #[test]
    fn what_a_shell_looks_for_is_the_first_word_that_is_no_setting() {
        for (command, started) in [
            ("/usr/sbin/nginx -t -c {{.src}}", Some("/usr/sbin/nginx")),
            (
                "LANG=C exec 'nginx' -t && systemctl reload x",
                Some("nginx"),
            ),
            ("sudo nginx -s reload", Some("sudo")),
            ("systemctl reload nginx", Some("systemctl")),
            ("test -s {{.src}}", None),
            ("{{.src}}", None),
            ("$NGINX -t", None),
            ("( nginx -t )", None),
            ("! nginx -t", None),
            ("A=1", None),
            ("", None),
        ] {
            assert_eq!(started_by(command), started, "{command}");
        }
    }

    #[test]
    fn tools_for_everything_tell_nothing() {
        for command in [
            "",
            "sh -c 'nginx -t'",
            "true",
            ": {{.src}}",
            "[ -s {{.src}} ]",
            "kill -HUP $(cat /run/nginx.pid)",
            "! nginx -t",
            "$NGINX -t",
            "{{.src}}",
            "systemctl daemon-reload",
            "exec",
        ] {
            assert_eq!(program(command), None, "{command}");
        }
    }
}
