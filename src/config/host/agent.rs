//! `[agent]`: what the flags that are for no service would say.

use super::document::Section;
use super::fields::{DynEnv, Fields};
use crate::config::faults::Faults;
use crate::config::observe::{CONTROL, GivenDoors, LISTEN, LISTEN_HOST};
use crate::config::setting::Setting;
use crate::fault::field_of;

pub(super) const FLAGS: [&str; 3] = [LISTEN, LISTEN_HOST, CONTROL];

pub(super) fn given(section: &Section, env: &DynEnv, faults: &mut Faults) -> GivenDoors {
    let fields = Fields {
        own: section,
        behind: Vec::new(),
        url: None,
        env,
    };
    let place = |flag| section.place_of(&field_of(flag));
    let hosts = fields.texts(LISTEN_HOST, faults).unwrap_or_default();
    let hosts = hosts.into_iter().map(Some);
    let mut setting = |flag| Setting::given(place(flag), fields.text(flag, faults));
    GivenDoors {
        listen: setting(LISTEN),
        control: setting(CONTROL),
        hosts: hosts
            .filter_map(|host| Setting::given(place(LISTEN_HOST), host))
            .collect(),
    }
}
