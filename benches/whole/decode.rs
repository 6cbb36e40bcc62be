//! Counts the lines in bodies as a store would find them. Shares no code with the encoders.

use std::io::Read as _;

/// What a store found in one or many bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Requests.
    pub requests: u64,
    /// Bytes of their bodies as they came.
    pub body_bytes: u64,
    /// Bytes of them uncompressed.
    pub plain_bytes: u64,
    /// Log lines.
    pub lines: u64,
    /// Bytes of the lines' text; 0 where that is not a matter of the wire format.
    pub text_bytes: u64,
}

/// A Loki push: a raw block of snappy around protobuf. See `docs/delivery.md` for what is sent.
pub fn push(body: &[u8], found: &mut Found) -> Result<(), String> {
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|error| format!("not snappy: {error}"))?;
    count(body, &plain, found);
    // PushRequest { streams = 1: { labels = 1, entries = 2: { timestamp = 1, line = 2, … } } }
    fields(&plain, &mut |number, stream| match number {
        1 => fields(stream, &mut |number, entry| match number {
            2 => {
                found.lines += 1;
                fields(entry, &mut |number, line| {
                    found.text_bytes += if number == 2 { line.len() as u64 } else { 0 };
                    Ok(())
                })
            }
            _ => Ok(()),
        }),
        _ => Err(format!("field {number} in a push request")),
    })
}

/// The times of a Loki push's entries, in nanoseconds since 1970.
pub fn times(body: &[u8], each: &mut dyn FnMut(i64)) -> Result<(), String> {
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|error| format!("not snappy: {error}"))?;
    fields(&plain, &mut |_, stream| {
        fields(stream, &mut |number, entry| match number {
            2 => fields(entry, &mut |number, mut stamp| {
                // Timestamp { seconds = 1, nanos = 2 }, both plain numbers.
                let (mut seconds, mut nanos) = (0, 0);
                while number == 1 && !stamp.is_empty() {
                    match varint(&mut stamp)? >> 3 {
                        1 => seconds = varint(&mut stamp)? as i64,
                        _ => nanos = varint(&mut stamp)? as i64,
                    }
                }
                if number == 1 {
                    each(seconds * 1_000_000_000 + nanos);
                }
                Ok(())
            }),
            _ => Ok(()),
        })
    })
}

/// A bulk request: an action and a document in turns, a line each.
pub fn bulk(body: &[u8], gzip: bool, found: &mut Found) -> Result<(), String> {
    let mut inflated = Vec::new();
    let plain = if gzip {
        flate2::read::GzDecoder::new(body).read_to_end(&mut inflated).map_err(|error| format!("not gzip: {error}"))?;
        &inflated[..]
    } else {
        body
    };
    count(body, plain, found);
    let mut rest = plain;
    while !rest.is_empty() {
        for beginning in [&b"{\"create\":{"[..], b"{\"@timestamp\":\""] {
            let end = memchr::memchr(b'\n', rest).ok_or("a bulk request that does not end with a line feed")?;
            if !rest.starts_with(beginning) || rest[end - 1] != b'}' {
                return Err(format!("not an action or a document: {}", String::from_utf8_lossy(&rest[..end.min(200)])));
            }
            rest = &rest[end + 1..];
        }
        found.lines += 1;
    }
    Ok(())
}

fn count(body: &[u8], plain: &[u8], found: &mut Found) {
    found.requests += 1;
    found.body_bytes += body.len() as u64;
    found.plain_bytes += plain.len() as u64;
}

/// Takes the number and the content of a field.
type Each<'a> = dyn FnMut(u64, &[u8]) -> Result<(), String> + 'a;

/// Calls `each` for every field that has a length.
fn fields(mut bytes: &[u8], each: &mut Each<'_>) -> Result<(), String> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = varint(&mut bytes)?;
        match key & 7 {
            0 => {}
            2 => {
                let (content, rest) = bytes.split_at_checked(value as usize).ok_or("a field beyond its message")?;
                each(key >> 3, content)?;
                bytes = rest;
            }
            kind => return Err(format!("a field of wire type {kind}")),
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("a number that does not end")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number of more than 64 bits".to_owned())
}
