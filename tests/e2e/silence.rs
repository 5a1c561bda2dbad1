use std::time::{Duration, Instant};

use crate::harness::{Confdir, Etcd, GrpcProxy, Line, Running, SOON, Wire, eventually, figure};

const KEYS: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

/// Within so long a member that does not answer any more is left.
const LEFT_WITHIN: Duration = Duration::from_secs(5);

/// For a loaded machine.
const SLACK: Duration = Duration::from_secs(3);

/// Longer than any silence that is taken for a member's end.
const IDLE: Duration = Duration::from_secs(15);

fn resource() -> Confdir {
    Confdir::new().with("web.conf", KEYS, SERVERS)
}

fn put(etcd: &Etcd, confdir: &Confdir, value: &str) {
    etcd.ctl(&["put", "/services/web/a", value]);
    confdir.wait_for("web.conf", &format!("server {value};\n"), SOON);
}

/// Follows over the first of these; how long after `falls_silent` it followed over another, which
/// the last member tells by a change.
fn left_for_another(members: &[Etcd], proxy: &Running, falls_silent: impl FnOnce()) {
    let since = Instant::now();
    falls_silent();
    proxy.wait_for_event("etcd_lost", LEFT_WITHIN + SLACK);
    let noticed = since.elapsed();
    proxy.wait_for_event("etcd_back", LEFT_WITHIN + SLACK);
    figure(&format!(
        "silence noticed after {noticed:?}, left after {:?}",
        since.elapsed()
    ));
    let last = members.last().unwrap();
    eventually("etcd takes a put", SOON, || {
        last.try_ctl(&["put", "/services/web/a", "2"])
    });
}

#[test]
fn a_member_that_is_stopped_is_left_for_another_in_time() {
    let members = Etcd::start_cluster(3);
    let confdir = resource();
    let endpoints: Vec<_> = members.iter().map(Etcd::url).collect();
    let proxy = Running::proxy(&endpoints.join(","), &confdir, &[]);
    put(&members[2], &confdir, "1");
    left_for_another(&members, &proxy, || members[0].hang());
    confdir.wait_for("web.conf", "server 2;\n", SOON);
    members[0].resume();
}

#[test]
fn a_member_whose_answers_are_lost_is_left_for_another_in_time() {
    let members = Etcd::start_cluster(3);
    let (confdir, wire) = (resource(), Wire::to(members[0].address()));
    let endpoints = [wire.url(), members[1].url()];
    let proxy = Running::proxy(&endpoints.join(","), &confdir, &[]);
    put(&members[2], &confdir, "1");
    left_for_another(&members, &proxy, || wire.set(Line::Good, Line::Silent));
    confdir.wait_for("web.conf", "server 2;\n", SOON);
}

#[test]
fn a_member_that_falls_silent_with_a_thousand_watches_is_left_in_time() {
    const RESOURCES: usize = 500;
    let members = Etcd::start_cluster(3);
    let (confdir, wire) = (Confdir::new(), Wire::to(members[0].address()));
    for number in 0..RESOURCES {
        let keys = format!("keys = [\"/services/{number:03}\"]");
        let template =
            format!("{{{{range getvs \"/services/{number:03}/*\"}}}}{{{{.}}}}{{{{end}}}}");
        confdir.add(&format!("{number:03}.conf"), &keys, &template);
    }
    let pairs = (0..RESOURCES).map(|number| (format!("/services/{number:03}/a"), "1".to_owned()));
    members[0].put_each(pairs);
    let endpoints = [wire.url(), members[1].url()];
    let proxy = Running::proxy(&endpoints.join(","), &confdir, &[]);
    let all_have = |value: &str| {
        eventually(&format!("all files have {value}"), 3 * SOON, || {
            let has = |number: &usize| {
                confdir.read(&format!("{number:03}.conf")).as_deref() == Some(value)
            };
            let count = (0..RESOURCES).filter(has).count();
            if count == RESOURCES {
                Ok(())
            } else {
                Err(count.to_string())
            }
        });
    };
    all_have("1");
    left_for_another(&members, &proxy, || wire.set(Line::Silent, Line::Silent));
    let pairs = (0..RESOURCES).map(|number| (format!("/services/{number:03}/a"), "2".to_owned()));
    members[2].put_each(pairs);
    all_have("2");
    assert_eq!(proxy.said("etcd_lost"), 1, "{}", proxy.log());
}

#[test]
fn an_idle_member_is_not_taken_for_a_silent_one() {
    let (etcd, confdir) = (Etcd::start(), resource());
    let wire = Wire::to(etcd.address());
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    put(&etcd, &confdir, "1");
    std::thread::sleep(IDLE);
    put(&etcd, &confdir, "2");
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
    assert_eq!(wire.connections(), 1);
}

#[test]
fn an_idle_grpc_proxy_is_not_taken_for_a_silent_one() {
    let (etcd, confdir) = (Etcd::start(), resource());
    let gateway = GrpcProxy::start(&[etcd.url()]);
    let proxy = Running::proxy(&gateway.url(), &confdir, &[]);
    put(&etcd, &confdir, "1");
    std::thread::sleep(IDLE);
    put(&etcd, &confdir, "2");
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
}

#[test]
fn several_trees_are_followed_through_a_grpc_proxy() {
    let (etcd, confdir) = (Etcd::start(), resource());
    let db = "{{range getvs \"/services/db/*\"}}server {{.}};\n{{end}}";
    confdir.add("db.conf", "keys = [\"/services/db\"]", db);
    let gateway = GrpcProxy::start(&[etcd.url()]);
    let _proxy = Running::proxy(&gateway.url(), &confdir, &[]);
    for value in ["1", "2", "3"] {
        put(&etcd, &confdir, value);
        etcd.ctl(&["put", "/services/db/a", value]);
        confdir.wait_for("db.conf", &format!("server {value};\n"), SOON);
    }
}

#[test]
fn a_grpc_proxy_whose_member_is_stopped_is_left_for_another_in_time() {
    let members = Etcd::start_cluster(3);
    let confdir = resource();
    let gateway = GrpcProxy::start(&[members[0].url()]);
    let endpoints = [gateway.url(), members[1].url()];
    let proxy = Running::proxy(&endpoints.join(","), &confdir, &[]);
    put(&members[2], &confdir, "1");
    left_for_another(&members, &proxy, || members[0].hang());
    confdir.wait_for("web.conf", "server 2;\n", SOON);
    members[0].resume();
}

/// It may hand a watch to the member that is stopped, and then takes no other until that one answers: its
/// own client never gives that stream up. What is ours is to be in step once it can be.
#[test]
fn behind_a_grpc_proxy_one_of_whose_members_was_stopped_it_is_in_step_again() {
    let members = Etcd::start_cluster(3);
    let confdir = resource();
    let all: Vec<_> = members.iter().map(Etcd::url).collect();
    let gateway = GrpcProxy::start(&all);
    let _proxy = Running::proxy(&gateway.url(), &confdir, &[]);
    put(&members[2], &confdir, "1");
    for (member, value) in members.iter().zip(["2", "3", "4"]) {
        member.hang();
        // So long that it is asked whether it is alive, and that watches are made anew.
        std::thread::sleep(Duration::from_secs(6));
        member.resume();
        eventually("etcd takes a put", SOON, || {
            members[2].try_ctl(&["put", "/services/web/a", value])
        });
        confdir.wait_for("web.conf", &format!("server {value};\n"), 2 * SOON);
    }
}
