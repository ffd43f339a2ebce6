//! What people write on a command line.

use netlab::link::options::{Rate, Share};
use netlab::net::addr::{Addr, Host};
use netlab::net::stop::duration;

pub fn what_is_read_is_read_again_as_it_is_written(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(addr) = text.parse::<Addr>() {
        let written = addr.to_string();
        assert_eq!(written.parse::<Addr>(), Ok(addr.clone()), "{text:?} as {written:?}");
        assert!(addr.host.is_some() || addr.port.is_some(), "{text:?} says nothing");
        let is_group = addr.group(5007).is_ok();
        assert!(!is_group || matches!(addr.host, Some(Host::Ip(_) | Host::Scoped(..))));
    }
    if let Ok(share) = text.parse::<Share>() {
        assert!(share <= Share::ALL);
        assert_eq!(share.to_string().parse(), Ok(share), "{text:?}");
    }
    if let Ok(rate) = text.parse::<Rate>() {
        assert!(rate.bits_per_second() > 0);
        assert_eq!(rate.to_string().parse(), Ok(rate), "{text:?} as {rate}");
        let _ = rate.nanos_for(65_535);
    }
    if let Ok(time) = duration(text) {
        let _ = std::time::Instant::now() + time;
    }
}
