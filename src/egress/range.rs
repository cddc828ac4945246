//! Ranges of IPv4 addresses, as the sources of firewall rules are written.

/// A range of IPv4 addresses: `10.0.0.4`, `10.0.0.0/16`, `10.0.0.4-10.0.0.9`, or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRange {
    text: String,
    first: u32,
    last: u32,
}

impl AddressRange {
    /// Reads a range; none if it is not of one of these forms.
    pub fn parse(text: &str) -> Option<AddressRange> {
        let text = text.trim();
        let (first, last) = match (text, text.split_once('/'), text.split_once('-')) {
            ("*", ..) => (0, u32::MAX),
            (_, Some((address, bits)), _) => {
                let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                let network = address_of(address)? & !host;
                (network, network | host)
            }
            (_, None, Some((first, last))) => (address_of(first)?, address_of(last)?),
            (one, None, None) => (address_of(one)?, address_of(one)?),
        };
        (first <= last).then(|| AddressRange {
            text: text.to_owned(),
            first,
            last,
        })
    }

    /// Returns the range as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether every address of `other` is in this range.
    pub fn covers(&self, other: &AddressRange) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Returns whether it has every address there is.
    pub fn is_all(&self) -> bool {
        self.first == 0 && self.last == u32::MAX
    }

    /// Returns whether there is an address in both.
    pub fn meets(&self, other: &AddressRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

fn address_of(text: &str) -> Option<u32> {
    let mut address: u32 = 0;
    let mut parts = 0;
    for part in text.trim().split('.') {
        let byte: u8 = part.parse().ok()?;
        address = address.checked_shl(8)? | u32::from(byte);
        parts += 1;
    }
    (parts == 4).then_some(address)
}
