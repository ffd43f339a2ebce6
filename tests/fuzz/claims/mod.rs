//! What holds whatever comes in: each claim takes any bytes at all, and panics
//! if it does not hold. The fuzzer and the property tests run the same ones.

pub mod addresses;
pub mod choices;
pub mod events;
pub mod files;
pub mod framing;
pub mod hub;
pub mod link;
pub mod parser;

/// A claim, as it is called by whoever runs it.
pub type Claim = fn(&[u8]);

/// Every claim, by the name of its fuzz target and its folder of the corpus.
pub const CLAIMS: &[(&str, Claim)] = &[
    ("auto_framing", framing::auto_framing_does_not_mind_how_bytes_are_cut),
    ("numbered", framing::a_numbered_datagram_is_read_as_it_was_written),
    ("sealed", framing::a_sealed_datagram_is_opened_once_and_only_unchanged),
    ("secrets", framing::no_cut_of_a_stream_shows_a_password),
    ("visible", framing::what_is_shown_is_one_line_that_no_terminal_obeys),
    ("chat_parser", parser::a_servers_bytes_mean_the_same_however_they_are_cut),
    ("chat_hub", hub::everyone_hears_what_the_model_says),
    ("link", link::the_books_are_exact),
    ("users", files::a_users_file_is_read_or_refused),
    ("addresses", addresses::what_is_read_is_read_again_as_it_is_written),
    ("events", events::an_event_is_parsed_back_and_shown_harmlessly),
    #[cfg(target_os = "linux")]
    ("submission", files::a_submission_is_read_or_refused),
];
