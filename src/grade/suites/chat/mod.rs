//! chat: several users, one server, shared files. Nothing is known of the
//! protocol: what is typed into one client has to appear on another's
//! terminal, and a relay counts what passes.

mod arrivals;
mod departures;
mod files;
mod outages;
mod room;
mod talk;

use self::room::Room;
use crate::grade::check::{Check, Finding};
use crate::grade::exam::Exam;

pub const CHECKS: [Check; 23] = [
    Check::both("chat/prints-client-address", arrivals::prints_client_address),
    Check::both("chat/welcomes", arrivals::welcomes),
    Check::both("chat/welcome-crosses-network", arrivals::welcome_crosses),
    Check::both("chat/announces-join", arrivals::announces_join),
    Check::both("chat/announces-leave", departures::announces_leave),
    Check::both("chat/announces-vanished", departures::announces_vanished),
    Check::both("chat/survives-vanished", departures::survives_vanished),
    Check::both("chat/sends-many", talk::sends_many),
    Check::both("chat/broadcasts-to-others", talk::broadcasts),
    Check::both("chat/not-to-sender", talk::not_to_sender),
    Check::both("chat/unicasts", talk::unicasts),
    Check::both("chat/unicast-stays-private", talk::stays_private),
    Check::both("chat/switches-mode", talk::switches_mode),
    Check::both("chat/lists-files", files::lists),
    Check::both("chat/counts-files", files::counts),
    Check::both("chat/downloads-exact", files::downloads_exact),
    Check::both("chat/saves-in-user-folder", files::saves_in_user_folder),
    Check::both("chat/reports-size", files::reports_size),
    Check::both("chat/file-crosses-network", files::crosses_network),
    Check::both("chat/chats-while-downloading", files::chats_while_downloading),
    Check::both("chat/reports-server-loss", outages::reports_server_loss),
    Check::both("chat/reports-no-server", outages::reports_no_server),
    Check::both("chat/two-servers-refused", outages::two_servers),
];

/// A chat with a few files.
fn room<'a>(exam: &'a Exam<'a>) -> Result<Room<'a>, Finding> {
    Room::open(exam, files::few(exam))
}
