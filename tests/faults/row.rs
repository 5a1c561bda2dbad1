//! One line of the table.

use std::fmt;
use std::time::Duration;

use crate::site::Both;

pub struct Row {
    pub fault: &'static str,
    pub promised: &'static str,
    pub agent: String,
    pub proxy: String,
}

impl Row {
    pub const HEAD: &str = "| fault | promised | agent | proxy side |\n| --- | --- | --- | --- |";

    /// A fault that both notice, and from which both recover.
    pub fn of(
        fault: &'static str,
        promised: &'static str,
        noticed: Both<Duration>,
        recovered: Both<Duration>,
    ) -> Self {
        let text = |noticed, recovered| {
            format!("noticed {}, recovered {}", after(noticed), after(recovered))
        };
        Self {
            fault,
            promised,
            agent: text(noticed.agent, recovered.agent),
            proxy: text(noticed.proxy, recovered.proxy),
        }
    }

    /// The columns that are the same in each run.
    pub fn promise(&self) -> String {
        format!("| {} | {} |", self.fault, self.promised)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} | {} |", self.promise(), self.agent, self.proxy)
    }
}

pub fn after(time: Duration) -> String {
    format!("after {:.1} s", time.as_secs_f64())
}
