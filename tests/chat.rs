//! chat: the messenger, driven from outside: dialogues of several users, which
//! are text files in `chat/dialogues`, programs that others wrote, and netlab's
//! own client on a pipe and on a terminal. What needs many users or large files
//! is in `chat_heavy.rs`.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

#[path = "support/group.rs"]
mod group;
#[path = "support/chat.rs"]
mod users;

#[path = "chat/client.rs"]
mod client;
#[path = "chat/dialogue.rs"]
mod dialogue;
#[path = "chat/downloads.rs"]
mod downloads;
#[path = "chat/ends.rs"]
mod ends;
#[path = "chat/files.rs"]
mod files;
#[path = "chat/others.rs"]
mod others;
#[path = "chat/secrets.rs"]
mod secrets;
#[path = "chat/server.rs"]
mod server;
#[path = "chat/strangers.rs"]
mod strangers;

/// One test for each file of `chat/dialogues`, in plain text, byte by byte, and over TLS.
macro_rules! dialogues {
    ($($name:ident),* $(,)?) => {
        const DIALOGUES: &[&str] = &[$(stringify!($name)),*];

        mod in_plain_text {
            $(#[test] fn $name() { crate::dialogue::play_file(stringify!($name), crate::dialogue::Way::Plain); })*
        }

        mod byte_by_byte {
            $(#[test] fn $name() { crate::dialogue::play_file(stringify!($name), crate::dialogue::Way::ByteByByte); })*
        }

        mod over_tls {
            $(#[test] fn $name() { crate::dialogue::play_file(stringify!($name), crate::dialogue::Way::Tls); })*
        }
    };
}

dialogues! {
    a_browser_without_patience, a_client_that_ends_no_lines, a_closed_window_is_told, a_download,
    a_download_resumed, a_join_is_told_to_all_connected, a_line_in_pieces, a_line_without_end_closes,
    a_lone_carriage_return_forges_nothing, a_message_once, a_mute_outlives_its_connection,
    a_name_is_free_again, a_name_is_had_by_one, a_name_is_kept, a_name_that_is_a_number_ends_no_download,
    a_name_with_quotes_in_it, a_private_word_crosses_rooms, a_private_word_never_leaks, a_word_to_nobody, a_word_to_oneself, an_answer_to_one_who_said_all,
    an_empty_line_is_nothing, an_operator_kicks, an_operator_mutes, commands_that_lack_something,
    controls_are_shown_not_obeyed, downloads_of_every_size, five_wrong_passwords, four_downloads_at_most,
    half_a_close, half_a_close_still_reads, help_and_unknown_commands, http_is_told_so,
    leaving_in_the_middle_of_a_download, leaving_with_a_word, lines_ended_by_crlf, logged_in_twice,
    logging_in, me_in_the_third_person, names_of_other_alphabets, names_that_are_refused, names_that_are_taken_in,
    no_more_than_max_clients, no_operator_no_rule, no_shared_files, no_such_file, no_users_file_no_login,
    nobody_can_forge_a_line, not_utf8_is_refused, nothing_goes_before_a_name, nothing_outside_is_reached,
    offsets_that_are_refused, only_operators_rule, plain_text_at_the_tls_port,
    private_and_public_keep_their_order, rooms_keep_apart, rooms_that_are_refused, silence_at_the_tls_port,
    talk_goes_on_during_a_download, talking_to_one_person, text_cannot_change_its_direction,
    text_of_every_language_stays, text_reaches_all_others, the_console_reaches_every_room, the_longest_line,
    the_operator_at_the_console, the_order_of_one_sender_is_kept, the_rate_limit_loses_nothing,
    the_server_says_why_it_goes, the_shared_files, tls_at_the_plain_port, twenty_in_a_room,
    two_downloads_at_once, welcome_comes_before_any_name, what_is_not_shared, who_and_rooms,
    who_had_no_name_leaves_unseen, without_a_rate_limit,
}

#[test]
fn every_dialogue_is_listed() {
    let files = std::fs::read_dir(dialogue::folder()).unwrap().flatten();
    let mut found: Vec<String> =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".txt")?.to_owned())).collect();
    found.sort();
    assert_eq!(found, DIALOGUES, "each file of chat/dialogues is in the list above, and each name of it a file");
}

/// Blocks of the handout that begin with ` ```dialogue`, what follows that word being their header.
#[test]
fn the_dialogues_of_the_handout_are_true() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/chat/README.md");
    let text = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = text.split("```dialogue").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3, "only {} dialogues in the handout", blocks.len());
    for block in blocks {
        let (header, steps) = block.split_once('\n').unwrap();
        dialogue::play(
            "labs/chat/README.md, a dialogue",
            &format!("{}\n\n{steps}", header.trim()),
            dialogue::Way::Plain,
        );
    }
}
