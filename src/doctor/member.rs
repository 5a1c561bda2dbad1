//! Whether a member serves, by what it says of itself.

use super::advice;
use super::step::{Remark, Trouble};
use crate::etcd::wire::member::MemberStatus;

/// # Errors
/// When it serves nobody.
pub(super) fn judge(member: &MemberStatus) -> Result<Remark, Trouble> {
    let MemberStatus {
        version,
        id,
        leader,
        is_learner,
        complaints,
        ..
    } = member;
    if *leader == 0 {
        let advice = "see that most members of the cluster run and reach each other";
        return Err(Trouble::outage("it has no leader", advice));
    }
    if *is_learner {
        let advice =
            format!("promote it (etcdctl member promote {id:x}), or leave it out of --endpoints");
        return Err(Trouble::outage(
            "it is a learner, which serves nothing",
            advice,
        ));
    }
    if let Some(complaint) = complaints.first() {
        let complaint = complaint.trim();
        let advice = advice::for_complaint(complaint).to_owned();
        return Ok(Remark::Bad(format!("etcd {version}: {complaint}"), advice));
    }
    let role = if leader == id { "leads" } else { "follows" };
    Ok(Remark::Good(format!("etcd {version}, {role}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> MemberStatus {
        MemberStatus {
            version: "3.5.0".to_owned(),
            cluster: 1,
            id: 0xab,
            leader: 0xab,
            ..MemberStatus::default()
        }
    }

    #[test]
    fn a_member_with_a_leader_serves_unless_it_learns() {
        assert_eq!(
            judge(&member()),
            Ok(Remark::Good("etcd 3.5.0, leads".to_owned()))
        );
        let alone = MemberStatus {
            leader: 0,
            ..member()
        };
        assert!(judge(&alone).is_err_and(|trouble| trouble.is_outage));
        let learner = MemberStatus {
            is_learner: true,
            leader: 1,
            ..member()
        };
        assert!(judge(&learner).is_err_and(|trouble| trouble.advice.contains("promote ab")));
    }

    #[test]
    fn an_alarm_is_told_with_what_to_do() {
        let complaints = vec!["memberID:171 alarm:NOSPACE ".to_owned()];
        let full = MemberStatus {
            complaints,
            ..member()
        };
        let Ok(Remark::Bad(message, advice)) = judge(&full) else {
            panic!("it is full");
        };
        assert_eq!(message, "etcd 3.5.0: memberID:171 alarm:NOSPACE");
        assert!(advice.contains("defrag"), "{advice}");
    }
}
