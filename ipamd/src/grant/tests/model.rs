//! Two controllers at once, nodes that come, go, ask and give back, requests whose answer is lost, deaths at any point.

use proptest::prelude::*;

use super::world::{Controller, REST, World, settings};
use crate::grant::settings::Mode;

#[derive(Debug, Clone, Copy)]
enum Move {
    Step(usize),
    Lose(usize),
    Hear(usize),
    Die(usize),
    Boot(usize),
    RemoveNode(usize),
    RemoveObject(usize),
    Collect(usize),
    Ask(usize, u32),
    GiveBack(usize, usize),
    Wait,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let controller = 0usize..2;
    let node = 0usize..3;
    let one = prop_oneof![
        30 => controller.clone().prop_map(Move::Step),
        2 => controller.clone().prop_map(Move::Lose),
        20 => controller.clone().prop_map(Move::Hear),
        1 => controller.prop_map(Move::Die),
        2 => node.clone().prop_map(Move::Boot),
        1 => node.clone().prop_map(Move::RemoveNode),
        1 => node.clone().prop_map(Move::RemoveObject),
        2 => node.clone().prop_map(Move::Collect),
        4 => (node.clone(), 0u32..8).prop_map(|(node, count)| Move::Ask(node, count)),
        4 => (node, 0usize..4).prop_map(|(node, count)| Move::GiveBack(node, count)),
        2 => Just(Move::Wait),
    ];
    proptest::collection::vec(one, 1..200)
}

fn play(mode: Mode, moves: &[Move]) {
    const NODES: [&str; 3] = ["a", "b", "c"];
    let settings = settings(mode);
    let mut world = World::default();
    for name in NODES {
        world.boot(name);
    }
    let mut controllers = [(); 2].map(|()| Controller::new(&world, settings.clone()));
    for step in moves {
        match *step {
            Move::Step(who) => {
                controllers[who].step(&mut world, false);
            }
            Move::Lose(who) => {
                controllers[who].step(&mut world, true);
            }
            Move::Hear(who) => controllers[who].hear(&world),
            Move::Die(who) => controllers[who] = Controller::new(&world, settings.clone()),
            Move::Boot(node) => world.boot(NODES[node]),
            Move::RemoveNode(node) => world.remove_node(NODES[node]),
            Move::RemoveObject(node) => world.remove_object(NODES[node]),
            Move::Collect(node) => world.collect(NODES[node]),
            Move::Ask(node, count) => world.ask(NODES[node], count),
            Move::GiveBack(node, count) => world.give_back(NODES[node], count),
            Move::Wait => world.now += REST / 2,
        }
    }
    let [mut last, _] = controllers;
    last.settle(&mut world);
    for name in NODES {
        world.collect(name);
        world.forget(name);
    }
    last.settle(&mut world);
    world.assert_in_order();
    let capacity = settings.subnets[0].capacity() as usize;
    let granted = world.pages.values().map(|page| page.claims.len()).sum::<usize>();
    for name in world.nodes.keys() {
        let object = &world.objects[name];
        let container = object.granted.container.as_ref().unwrap();
        let wanted = match mode {
            Mode::Vnet => object.requested.min(settings.scaler.max) as usize,
            _ => settings.blocks as usize - 1,
        };
        let is_served = container.primary.len() == 1 && container.assigned.len() >= wanted;
        assert_eq!(is_served, !container.is_short, "{name}: {container:?} of {wanted}");
        assert!(is_served || granted == capacity, "{name} lacks what is free: {world:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_address_is_two_nodes_and_none_is_lost(moves in moves()) {
        play(Mode::Vnet, &moves);
    }

    #[test]
    fn no_block_is_two_nodes_and_none_is_lost(moves in moves(), is_overlay: bool) {
        play(if is_overlay { Mode::Overlay } else { Mode::VnetBlock }, &moves);
    }
}
