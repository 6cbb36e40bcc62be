//! What is known by name: the presets, for settings, help and documents.

/// One preset.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name as typed, and as it stands in what replaces a secret.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// All presets; a [`Presets`] has a bit for each, in this order.
pub const PRESETS: &[Preset] = &[
    Preset { name: "email", help: "e-mail addresses; not systemd's units such as `user@1000.service`" },
    Preset {
        name: "ipv4",
        help: "IPv4 addresses, and what looks like one: `1.2.3.4` may be a version, `v1.2.3.4` is one",
    },
    Preset { name: "ipv6", help: "IPv6 addresses; not times, MAC addresses or paths of code" },
    Preset {
        name: "credit_card",
        help: "card numbers with their networks' beginnings and lengths and a right check digit, with blanks, hyphens or nothing between",
    },
    Preset {
        name: "iban",
        help: "account numbers of the IBAN registry's countries and lengths with right check digits",
    },
    Preset {
        name: "phone",
        help: "telephone numbers with a sign of being one: `+49 30 123456`, `tel:030123456`, `(415) 555-2671`",
    },
    Preset { name: "jwt", help: "JSON web tokens, signed or encrypted" },
    Preset { name: "aws", help: "access key ids; secret keys and session tokens behind their names" },
    Preset { name: "gcp", help: "API keys, OAuth tokens and client secrets" },
    Preset { name: "github", help: "tokens: `ghp_…` and its kin, `github_pat_…`" },
    Preset { name: "slack", help: "tokens: `xoxb-…`, `xapp-…` and their kin; the secret part of web hooks" },
    Preset {
        name: "private_key",
        help: "PEM from `BEGIN … PRIVATE KEY` to its end; also a line that is nothing but random base64: 40 characters or more, or 20 that end with `=`",
    },
    Preset { name: "bearer", help: "what follows `Bearer`, and any scheme of a header `authorization`" },
];

/// A set of presets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presets(u16);

impl Presets {
    /// All of them.
    pub const ALL: Self = Self((1 << PRESETS.len()) - 1);
    pub(super) const EMAIL: Self = Self(1);
    pub(super) const IPV4: Self = Self(1 << 1);
    pub(super) const IPV6: Self = Self(1 << 2);
    pub(super) const CARD: Self = Self(1 << 3);
    pub(super) const IBAN: Self = Self(1 << 4);
    pub(super) const PHONE: Self = Self(1 << 5);
    pub(super) const JWT: Self = Self(1 << 6);
    pub(super) const AWS: Self = Self(1 << 7);
    pub(super) const GCP: Self = Self(1 << 8);
    pub(super) const GITHUB: Self = Self(1 << 9);
    pub(super) const SLACK: Self = Self(1 << 10);
    pub(super) const KEY: Self = Self(1 << 11);
    pub(super) const BEARER: Self = Self(1 << 12);

    /// The preset called `name`.
    pub fn named(name: &str) -> Option<Self> {
        PRESETS.iter().position(|preset| preset.name == name).map(|at| Self(1 << at))
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    /// The index of the one preset in it.
    pub(super) fn index(self) -> usize {
        self.0.trailing_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        for (name, bit) in [("email", Presets::EMAIL), ("phone", Presets::PHONE), ("bearer", Presets::BEARER)] {
            assert_eq!(Presets::named(name), Some(bit));
            assert_eq!(PRESETS[bit.index()].name, name);
        }
        assert_eq!(Presets::named("all"), None);
        assert!(Presets::ALL.has(Presets::BEARER) && Presets::default().and(Presets::KEY).has(Presets::KEY));
    }
}
