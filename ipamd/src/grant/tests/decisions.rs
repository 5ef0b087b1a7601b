//! One controller, one thing at a time.

use super::world::{Controller, REST, World, settings, shown};
use crate::grant::settings::Mode;
use crate::grant::subnet::Subnet;

fn status(world: &World, name: &str, mode: Mode) -> String {
    shown(&world.objects[name].granted, &settings(mode))
}

#[test]
fn the_first_batch_comes_unasked_and_the_next_as_asked() {
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    assert_eq!(status(&world, "a", Mode::Vnet), "Updated 10.241.0.2/32: 10.241.0.3/32 10.241.0.4/32");
    world.ask("a", 9);
    controller.settle(&mut world);
    let all = "Updated 10.241.0.2/32: 10.241.0.3/32 10.241.0.4/32 10.241.0.5/32 10.241.0.6/32 10.241.0.7/32";
    assert_eq!(status(&world, "a", Mode::Vnet), all, "five are the most");
    world.ask("a", 1);
    controller.settle(&mut world);
    assert_eq!(status(&world, "a", Mode::Vnet), all, "what is not given back is not taken");
}

#[test]
fn what_is_given_back_is_taken_at_once_and_rests() {
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    world.give_back("a", 2);
    let given_back = world.now;
    controller.settle(&mut world);
    assert_eq!(status(&world, "a", Mode::Vnet), "Updated 10.241.0.2/32: ");
    assert_eq!(world.now, given_back + REST, "then it is free");
    world.assert_in_order();
}

#[test]
fn a_lost_object_is_made_again_as_it_was() {
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    let before = world.objects["a"].granted.clone().container.unwrap();
    world.remove_object("a");
    controller.settle(&mut world);
    let after = world.objects["a"].granted.clone().container.unwrap();
    assert_eq!((after.id, after.primary, after.assigned), (before.id, before.primary, before.assigned));
}

#[test]
fn a_node_of_the_same_name_is_another_node() {
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings(Mode::Overlay));
    controller.settle(&mut world);
    assert_eq!(status(&world, "a", Mode::Overlay), "Updated 10.241.0.4/30: ");
    world.boot("a");
    controller.settle(&mut world);
    let notice = controller.state.notices()["a"].to_string();
    assert!(notice.starts_with("metadata.ownerReferences: its controller is uid-"), "{notice}");
    world.collect("a");
    controller.settle(&mut world);
    assert_eq!(status(&world, "a", Mode::Overlay), "Updated 10.241.0.8/30: ");
    assert!(controller.state.notices().is_empty());
    world.assert_in_order();
}

#[test]
fn what_two_have_is_the_others_when_one_is_gone() {
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    world.boot("b");
    world.copy("a", "b");
    let before = world.objects.clone();
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    assert_eq!(world.objects, before, "neither is changed");
    assert_eq!(controller.state.notices().len(), 2);
    world.remove_node("a");
    world.collect("a");
    controller.settle(&mut world);
    assert!(controller.state.notices().is_empty());
    assert_eq!(world.objects["b"].granted.units().count(), 3);
    assert!(controller.is_idle(&world));
    world.assert_in_order();
}

#[test]
fn a_full_subnet_is_said_and_made_up_for() {
    let mut world = World::default();
    for name in ["a", "b", "c", "d"] {
        world.boot(name);
    }
    let mut controller = Controller::new(&world, settings(Mode::Overlay));
    controller.settle(&mut world);
    assert_eq!(status(&world, "d", Mode::Overlay), "Error : ");
    world.remove_node("b");
    world.collect("b");
    controller.settle(&mut world);
    assert_eq!(status(&world, "d", Mode::Overlay), "Updated 10.241.0.8/30: ");
}

#[test]
fn a_node_that_one_subnet_cannot_serve_has_all_of_another() {
    let mut settings = settings(Mode::Vnet);
    settings.subnets.insert(0, Subnet::new("small", "10.9.0.0/30".parse().unwrap(), None, &[], 32));
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings.clone());
    controller.settle(&mut world);
    let shown = shown(&world.objects["a"].granted, &settings);
    assert_eq!(shown, "Updated 10.241.0.2/32: 10.241.0.3/32 10.241.0.4/32", "two are not enough");
}

#[test]
fn two_families_come_in_one_container() {
    let mut settings = settings(Mode::VnetBlock);
    settings.subnets.push(Subnet::new("six", "fd00::/112".parse().unwrap(), None, &[], 120));
    let mut world = World::default();
    world.boot("a");
    let mut controller = Controller::new(&world, settings.clone());
    controller.settle(&mut world);
    let shown = shown(&world.objects["a"].granted, &settings);
    assert_eq!(shown, "Updated 10.241.0.4/30 fd00::/120: 10.241.0.8/30 fd00::100/120");
}

#[test]
fn nothing_happens_where_nothing_is_to_be_done() {
    let mut world = World::default();
    for name in ["a", "b"] {
        world.boot(name);
    }
    let mut controller = Controller::new(&world, settings(Mode::Vnet));
    controller.settle(&mut world);
    let before = world.requests;
    let mut another = Controller::new(&world, settings(Mode::Vnet));
    another.settle(&mut world);
    assert_eq!(world.requests, before, "a restart writes nothing");
    assert!(another.is_idle(&world));
}
