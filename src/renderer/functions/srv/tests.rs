use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, SRV};

use super::*;

/// Asks one server, and gives up soon.
fn resolver(server: SocketAddr) -> Resolver {
    Resolver {
        servers: vec![server],
        search: Vec::new(),
        ndots: 1,
        patience: Duration::from_millis(300),
    }
}

/// A name server on a free port, and the names that it was asked for when it is done.
struct Server {
    address: SocketAddr,
    asked: JoinHandle<Vec<String>>,
}

/// What a server sends back for a query: any number of datagrams.
type Replies = fn(&Packet) -> Vec<Vec<u8>>;

/// Answers so many queries.
fn serve(queries: usize, replies: Replies) -> Server {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..queries {
            let mut buffer = [0; 512];
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            let query = Packet::parse(&buffer[..length]).unwrap();
            asked.push(query.questions[0].qname.to_string());
            for reply in replies(&query) {
                socket.send_to(&reply, client).unwrap();
            }
        }
        asked
    });
    Server { address, asked }
}

fn reply<'a>(query: &Packet<'a>) -> Packet<'a> {
    let mut reply = query.clone().into_reply();
    reply.questions.clone_from(&query.questions);
    reply
}

fn record(target: &'static str, port: u16) -> ResourceRecord<'static> {
    let srv = SRV {
        priority: 1,
        weight: 2,
        port,
        target: Name::new_unchecked(target),
    };
    ResourceRecord::new(
        Name::new_unchecked("_x._tcp.a"),
        CLASS::IN,
        60,
        RData::SRV(srv),
    )
}

fn with_records(query: &Packet, targets: &[&'static str]) -> Vec<u8> {
    let mut reply = reply(query);
    reply.answers = targets.iter().map(|target| record(target, 80)).collect();
    reply.build_bytes_vec().unwrap()
}

fn refused(query: &Packet, code: RCODE) -> Vec<u8> {
    let mut reply = reply(query);
    *reply.rcode_mut() = code;
    reply.build_bytes_vec().unwrap()
}

fn targets(found: &[Srv]) -> Vec<Str> {
    found.iter().map(|srv| srv.target.clone()).collect()
}

#[test]
fn records_are_what_the_server_answers() {
    let server = serve(1, |query| {
        let mut reply = reply(query);
        let address = RData::A(A { address: 1 });
        let other = ResourceRecord::new(Name::new_unchecked("b"), CLASS::IN, 60, address);
        reply.answers = vec![other, record("b.example", 8080)];
        vec![reply.build_bytes_vec().unwrap()]
    });
    let expected = Srv {
        target: "b.example.".into(),
        port: 8080,
        priority: 1,
        weight: 2,
    };
    assert_eq!(resolver(server.address).srv("_x._tcp.a."), [expected]);
    assert_eq!(server.asked.join().unwrap(), ["_x._tcp.a"]);
}

#[test]
fn replies_to_other_queries_are_passed_over() {
    let server = serve(1, |query| {
        let mut other = reply(query);
        other.set_id(query.id().wrapping_add(1));
        other.answers = vec![record("wrong.example", 80)];
        let other = other.build_bytes_vec().unwrap();
        vec![
            b"?".to_vec(),
            other,
            with_records(query, &["right.example"]),
        ]
    });
    let found = resolver(server.address).srv("_x._tcp.a.");
    assert_eq!(targets(&found), ["right.example."]);
}

#[test]
fn a_reply_about_another_name_is_none() {
    let server = serve(2, |query| {
        let mut reply = query.clone().into_reply();
        let name = Name::new_unchecked("other.example");
        let (srv, internet) = (QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN));
        reply.questions = vec![Question::new(name, srv, internet, false)];
        reply.answers = vec![record("wrong.example", 80)];
        vec![reply.build_bytes_vec().unwrap()]
    });
    assert_eq!(resolver(server.address).srv("_x._tcp.a."), []);
    assert_eq!(server.asked.join().unwrap().len(), 2);
}

#[test]
fn a_target_that_could_not_be_a_host_spoils_the_answer() {
    let server = serve(1, |query| {
        vec![with_records(query, &["b.example", "x;}.example"])]
    });
    assert_eq!(resolver(server.address).srv("_x._tcp.a."), []);
}

#[test]
fn the_root_is_a_target() {
    let server = serve(1, |query| vec![with_records(query, &[""])]);
    assert_eq!(targets(&resolver(server.address).srv("_x._tcp.a.")), ["."]);
}

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let datagrams = UdpSocket::bind(address).unwrap();
    let server = thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, client) = datagrams.recv_from(&mut buffer).unwrap();
        let query = Packet::parse(&buffer[..length]).unwrap();
        let mut truncated = reply(&query);
        truncated.set_flags(PacketFlag::TRUNCATION);
        let bytes = truncated.build_bytes_vec().unwrap();
        datagrams.send_to(&bytes, client).unwrap();

        let (mut stream, _) = listener.accept().unwrap();
        let mut again = vec![0; 2 + length];
        stream.read_exact(&mut again).unwrap();
        assert_eq!(again[2..], buffer[..length]);
        let full = with_records(&query, &["b.example", "c.example"]);
        let size = u16::try_from(full.len()).unwrap().to_be_bytes();
        // In pieces, as TCP may deliver it.
        for piece in [&size[..1], &size[1..], &full[..20], &full[20..]] {
            stream.write_all(piece).unwrap();
        }
    });
    let found = resolver(address).srv("_x._tcp.a.");
    server.join().unwrap();
    assert_eq!(targets(&found), ["b.example.", "c.example."]);
}

#[test]
fn a_silent_server_is_asked_twice_and_then_given_up() {
    let server = serve(2, |_| Vec::new());
    let mut resolver = resolver(server.address);
    resolver.search = vec!["example".to_owned()];
    let start = Instant::now();
    assert_eq!(resolver.srv("_x._tcp.a"), []);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(server.asked.join().unwrap(), ["_x._tcp.a", "_x._tcp.a"]);
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    let failing = serve(1, |query| vec![refused(query, RCODE::ServerFailure)]);
    let good = serve(1, |query| vec![with_records(query, &["b.example"])]);
    let mut resolver = resolver(failing.address);
    resolver.servers.push(good.address);
    assert_eq!(targets(&resolver.srv("_x._tcp.a.")), ["b.example."]);
}

#[test]
fn a_name_is_completed_when_it_is_not_known_as_it_is() {
    let server = serve(2, |query| {
        let known = query.questions[0].qname.to_string().ends_with(".example");
        vec![if known {
            with_records(query, &["b.example"])
        } else {
            refused(query, RCODE::NameError)
        }]
    });
    let mut resolver = resolver(server.address);
    resolver.search = vec!["example.".to_owned()];
    assert_eq!(targets(&resolver.srv("_x._tcp.a")), ["b.example."]);
    assert_eq!(
        server.asked.join().unwrap(),
        ["_x._tcp.a", "_x._tcp.a.example"]
    );
}

#[test]
fn a_name_with_few_dots_is_completed_first() {
    let mut resolver = resolver(([127, 0, 0, 1], 1).into());
    resolver.search = vec!["one".to_owned(), "two.".to_owned()];
    resolver.ndots = 3;
    assert_eq!(resolver.names("a.b"), ["a.b.one", "a.b.two", "a.b"]);
    assert_eq!(
        resolver.names("a.b.c.d"),
        ["a.b.c.d", "a.b.c.d.one", "a.b.c.d.two"]
    );
    assert_eq!(resolver.names("a.b."), ["a.b"]);
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let resolver = resolver(server.local_addr().unwrap());
    for name in ["", ".", "a..b", "a b", "ä", &"x".repeat(64)] {
        assert_eq!(resolver.srv(name), [], "{name}");
    }
    let nothing = server.recv(&mut [0; 512]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
}

proptest! {
    #[test]
    fn whatever_a_server_replies_targets_are_host_names(
        faults in vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
    ) {
        let mut query = Packet::new_query(7);
        query.questions.push(Question::new(
            Name::new_unchecked("_x._tcp.a"),
            TYPE::SRV.into(),
            CLASS::IN.into(),
            false,
        ));
        let mut reply = with_records(&query, &["one.example", "two.example"]);
        for (at, byte) in faults {
            let at = at.index(reply.len());
            reply[at] = byte;
        }
        let whole = reply.len();
        // Every other reply is cut somewhere.
        if cut.index(2) == 0 {
            reply.truncate(cut.index(whole) + 1);
        }
        if let Some(Reply::Found(found)) = answer(&query, &reply) {
            for target in targets(&found) {
                let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
                prop_assert!(target.iter().all(fits), "{target:?}");
            }
        }
    }
}
