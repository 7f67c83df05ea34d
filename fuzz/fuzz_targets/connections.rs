//! Clients of all protocols on one keyspace, whose requests come in pieces and by turns: each reply is what the model of
//! the simulation says, and so is what is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_fuzz::common::Driven;
use pentad_fuzz::common::drive::SCHEMES;
use pentad_fuzz::common::resp::Value;
use pentad_fuzz::model::{Answer, Model, Op, Transaction};
use pentad_fuzz::requests::{Dice, request};
use pentad_fuzz::{Choices, with_server};

fuzz_target!(|data: &[u8]| with_server(|server| check(server, data)));

fn check(server: &mut Driven, data: &[u8]) {
    let mut choices = Choices(data);
    let mut model = Model::default();
    let mut clients = SCHEMES.map(|scheme| (server.open(scheme), Transaction::default()));
    while !choices.0.is_empty() {
        if choices.chance(10) {
            server.advance_ms([1, 20, 500, 100_000][choices.below(4)]);
            if choices.chance(30) {
                server.engine.maintain();
            }
        }
        let who = if choices.chance(60) {
            0
        } else {
            choices.below(SCHEMES.len())
        };
        let now_ms = server.now().unix_ms();
        let op = if who == 0 && choices.chance(10) {
            Op::new(
                SCHEMES[0],
                &[["MULTI", "EXEC", "DISCARD"][choices.below(3)]],
            )
        } else {
            request(&mut choices, SCHEMES[who], now_ms)
        };
        let (id, transaction) = &mut clients[who];
        let bytes = op.bytes();
        let cut = choices.below(bytes.len());
        let mut reply = server.send(*id, &bytes[..cut]);
        reply.extend(server.send(*id, &bytes[cut..]));
        match model.run(&op, now_ms, false, transaction) {
            Answer::Bytes(expected) => assert_eq!(reply, expected, "{op:?}"),
            answer => match Value::read(&reply) {
                Some((value, len)) if len == reply.len() && answer.fits(&value) => {}
                _ => panic!(
                    "{op:?} is answered {} and not {answer:?}",
                    reply.escape_ascii()
                ),
            },
        }
    }
    model.expire(server.now().unix_ms());
    let rows = server.contents().into_iter();
    let rows: Vec<_> = rows
        .map(|(_, key, kind, value, expiry)| (key, kind, value, expiry))
        .collect();
    assert_eq!(rows, model.rows());
    for (id, _) in clients {
        server.engine.close(id);
    }
}
