//! Networks that a key may be used from, in CIDR notation.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// An IPv4 or IPv6 network such as `10.0.0.0/8`; an address alone means just that address.
///
/// IPv4 addresses that arrive mapped into IPv6 (`::ffff:10.1.2.3`) count as the IPv4 addresses that they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// Not an address, or not a prefix length that fits it.
    #[error("expected a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or a single address")]
    Malformed,
    /// Bits beyond the prefix are set, so that it is unclear what was meant.
    #[error("the address has bits set beyond its prefix; write the network's first address")]
    HostBits,
}

impl Network {
    /// Whether `address` is inside.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                (u32::from(network) ^ u32::from(address)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => self.contains_v6(network, address),
            _ => false,
        }
    }

    fn contains_v6(&self, network: Ipv6Addr, address: Ipv6Addr) -> bool {
        let shift = 128 - u32::from(self.prefix);
        (u128::from(network) ^ u128::from(address)).checked_shr(shift).unwrap_or(0) == 0
    }

    const fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    fn has_host_bits(&self) -> bool {
        let rest = u32::from(Network::bits(self.address) - self.prefix);
        match self.address {
            IpAddr::V4(address) => u64::from(u32::from(address)) & ((1_u64 << rest) - 1) != 0,
            IpAddr::V6(address) => {
                let mask = 1_u128.checked_shl(rest).map_or(u128::MAX, |bit| bit - 1);
                u128::from(address) & mask != 0
            }
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        let bits = Network::bits(address);
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NetworkError::Malformed)?
            }
            Some(_) => return Err(NetworkError::Malformed),
        };
        if prefix > bits {
            return Err(NetworkError::Malformed);
        }
        let network = Network { address, prefix };
        if network.has_host_bits() { Err(NetworkError::HostBits) } else { Ok(network) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("{error}, not {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_only() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ];
        for (network, address, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
    }

    #[test]
    fn a_network_reads_what_it_writes_and_refuses_the_rest() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "example.org"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
        assert_eq!("10.1.2.3/8".parse::<Network>(), Err(NetworkError::HostBits));
    }
}
