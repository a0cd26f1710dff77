//! Which addresses a name may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// Who is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Anybody may be asked.
    Public,
    /// This machine, or the network it is in.
    Private(&'static str),
    /// No registry: not even where private addresses are allowed. The cloud's metadata service is here.
    Never(&'static str),
}

/// Why nobody may connect to `address`, where `host` stands in the rules and leads to it.
pub(crate) fn refused(
    host: &Host<impl AsRef<str>>,
    address: IpAddr,
    private_allowed: bool,
) -> Option<&'static str> {
    let address = unmapped(address);
    // Whoever writes an address into the rules means it.
    let named = match host {
        Host::Ipv4(literal) => unmapped(IpAddr::V4(*literal)) == address,
        Host::Ipv6(literal) => unmapped(IpAddr::V6(*literal)) == address,
        Host::Domain(name) => name.as_ref() == "localhost" && address.is_loopback(),
    };
    match reach(address) {
        _ if named => None,
        Reach::Public => None,
        Reach::Private(_) if private_allowed => None,
        Reach::Private(why) | Reach::Never(why) => Some(why),
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// The IANA registry of special-purpose IPv4 addresses, as far as it matters here.
fn reach_v4(address: Ipv4Addr) -> Reach {
    use Reach::{Never, Private, Public};
    match address.octets() {
        [127, ..] => Private("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("private"),
        [100, 64..=127, ..] => Private("a carrier's own"),
        [198, 18..=19, ..] => Private("for benchmarks"),
        [169, 254, ..] => Never("link-local"),
        [0, ..] => Never("unspecified"),
        [192, 0, 0, _] => Never("for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("for documentation"),
        [224..=239, ..] => Never("multicast"),
        [255, 255, 255, 255] => Never("broadcast"),
        [240..=255, ..] => Private("reserved"),
        _ => Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    use Reach::{Never, Private, Public};
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Private("loopback"),
        // An IPv4 address by way of a translator.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            reach_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        // Where one cloud has its metadata service.
        [0xfd00, 0x0ec2, ..] => Never("a cloud's own"),
        [0xfc00..=0xfdff, ..] => Private("unique local"),
        [0xfe80..=0xfebf, ..] => Never("link-local"),
        [0xfec0..=0xfeff, ..] => Private("site-local"),
        [0xff00..=0xffff, ..] => Never("multicast"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Never("for documentation"),
        [0x2001, 0..=0x01ff, ..] => Never("for protocols"),
        [0x2000..=0x3fff, ..] => Public,
        _ => Never("not in use"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(host: &str, address: &str, private_allowed: bool) -> Option<&'static str> {
        let host = Host::parse(host).unwrap();
        refused(&host, address.parse().unwrap(), private_allowed)
    }

    #[test]
    fn public_addresses_are_free() {
        for address in [
            "140.82.121.33",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "::ffff:140.82.121.33",
            "64:ff9b::140.82.121.33",
        ] {
            assert_eq!(verdict("r.example", address, false), None, "{address}");
        }
    }

    #[test]
    fn private_ones_need_leave() {
        for address in [
            "127.0.0.1",
            "127.255.0.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::",
        ] {
            assert!(verdict("r.example", address, false).is_some(), "{address}");
            assert_eq!(verdict("r.example", address, true), None, "{address}");
        }
    }

    #[test]
    fn some_are_never_a_registry() {
        for address in [
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.192",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::",
            "::127.0.0.1",
            "5f00::1",
        ] {
            assert!(verdict("r.example", address, true).is_some(), "{address}");
        }
    }

    #[test]
    fn who_writes_an_address_means_it() {
        assert_eq!(verdict("127.0.0.1", "127.0.0.1", false), None);
        assert_eq!(verdict("[::1]", "::1", false), None);
        assert_eq!(verdict("[::ffff:10.0.0.1]", "::ffff:10.0.0.1", false), None);
        assert_eq!(verdict("169.254.1.1", "169.254.1.1", false), None);
        assert_eq!(verdict("localhost", "127.0.0.1", false), None);
        assert_eq!(verdict("localhost", "::1", false), None);
        assert!(verdict("localhost", "10.0.0.1", false).is_some());
        assert!(verdict("127.0.0.1", "127.0.0.2", false).is_some());
    }
}
