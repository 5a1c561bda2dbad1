//! Groups whose commands start the same program. Their files are brought in step side by side, so that
//! one's reload may come between the other's swap and check.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::groups::groups;
use crate::program::program;
use crate::resource::Resource;
use crate::wording;

/// A command that starts what one of another group starts.
#[derive(Debug)]
pub(crate) struct Rival {
    /// Of its resource.
    pub(crate) file: PathBuf,
    pub(crate) field: &'static str,
    /// What, and what to do about it.
    pub(crate) message: String,
}

#[derive(Clone, Copy)]
struct Use<'a> {
    resource: &'a Resource,
    field: &'static str,
    group: usize,
    /// It sees a staged file, and nothing that others replace or load.
    is_private: bool,
}

/// Each is told of the first one that it is a rival of.
pub(crate) fn rivals(resources: &[Resource]) -> Vec<Rival> {
    let mut uses_of = BTreeMap::<&str, Vec<Use>>::new();
    let mut rivals = Vec::new();
    for (group, numbers) in groups(resources).into_iter().enumerate() {
        for resource in numbers.into_iter().map(|number| &resources[number]) {
            for (program, this) in uses(resource, group) {
                let others = uses_of.entry(program).or_default();
                let rival = others.iter().find(|other| this.is_rival_of(other));
                rivals.extend(rival.map(|other| this.told_of(other, program)));
                others.push(this);
            }
        }
    }
    rivals
}

fn uses(resource: &Resource, group: usize) -> impl Iterator<Item = (&str, Use<'_>)> {
    let check = resource.check_cmd.as_deref().map(|text| {
        let is_private = wording::names_staged_file(text);
        ("check_cmd", text, is_private)
    });
    let reload = resource.reload_cmd.as_deref();
    let reload = reload.map(|text| ("reload_cmd", text, false));
    let commands = check.into_iter().chain(reload);
    commands.filter_map(move |(field, text, is_private)| {
        let this = Use {
            resource,
            field,
            group,
            is_private,
        };
        Some((program(text)?, this))
    })
}

impl Use<'_> {
    fn is_rival_of(&self, other: &Self) -> bool {
        self.group != other.group && !(self.is_private && other.is_private)
    }

    fn told_of(&self, other: &Self, program: &str) -> Rival {
        let message = format!(
            "{}: {program} is started by {} of {} as well, perhaps at the same moment: give both the \
             same reload_cmd, or the same check_cmd, that names no file",
            self.field,
            other.field,
            other.resource.file.display()
        );
        Rival {
            file: self.resource.file.clone(),
            field: self.field,
            message,
        }
    }
}
