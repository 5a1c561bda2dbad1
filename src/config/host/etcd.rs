//! `[etcd]`: what the flags for etcd would say.

use super::document::Section;
use super::fields::{DynEnv, Fields, refuse_unknown};
use crate::config::etcd::{Given, OURS, PASSWORD_FILE};
use crate::config::faults::Faults;
use crate::config::secret;
use crate::config::setting::Setting;
use crate::fault::field_of;

const ENDPOINTS: &str = "--endpoints";
const DISCOVERY: &str = "--discovery-srv";
const SKIP_VERIFY: &str = "--insecure-skip-tls-verify";

pub(super) fn given(section: &Section, env: &DynEnv, faults: &mut Faults) -> Given {
    let known = [
        ENDPOINTS,
        DISCOVERY,
        OURS.user,
        PASSWORD_FILE,
        OURS.tls.ca,
        OURS.tls.cert,
        OURS.tls.key,
        SKIP_VERIFY,
    ];
    let known = known.map(field_of);
    refuse_unknown(section, known.iter().map(String::as_str), faults);
    let fields = Fields {
        own: section,
        behind: Vec::new(),
        url: None,
        env,
    };
    let place = |flag| section.place_of(&field_of(flag));
    let endpoints = fields.texts(ENDPOINTS, faults);
    let endpoints = endpoints.map(|endpoints| endpoints.join(","));
    let skip_verify = fields.switch(SKIP_VERIFY, faults);
    let mut setting = |flag| Setting::given(place(flag), fields.text(flag, faults));
    let given = Given {
        endpoints: Setting::given(place(ENDPOINTS), endpoints),
        discovery: setting(DISCOVERY),
        user: setting(OURS.user),
        password_file: setting(PASSWORD_FILE),
        ca: setting(OURS.tls.ca),
        cert: setting(OURS.tls.cert),
        key: setting(OURS.tls.key),
        skip_verify: skip_verify.map(Ok),
        ..Given::default()
    };
    if given
        .user
        .as_ref()
        .is_some_and(|user| user.value.contains(':'))
    {
        secret::warn_if_exposed("the password in", &section.path);
    }
    given.about_tls()
}
