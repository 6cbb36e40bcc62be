//! A push's body: protobuf in raw block snappy, or JSON that may be compressed, read from the wire format's own
//! description.
//!
//! ```text
//! PushRequest { 1: repeated Stream }      Stream { 1: labels, 2: repeated Entry }   (3: hash, never sent)
//! Entry { 1: Timestamp, 2: line, 3: repeated { 1: name, 2: value } }                (4: parsed, never sent)
//! Timestamp { 1: seconds, 2: nanos }
//! ```

use super::labels;
use crate::support::doubles::wire::{Answer, Request};
use flate2::read::{DeflateDecoder, GzDecoder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// How a push was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Protobuf,
    Json,
    JsonGzip,
    JsonDeflate,
}

/// One stream of a push.
#[derive(Clone, Debug)]
pub struct PushedStream {
    /// As it was written; JSON's in canonical form.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Why the labels could not be read.
    pub unreadable: Option<String>,
    pub entries: Vec<PushedEntry>,
}

/// One entry of a push.
#[derive(Clone, Debug, Default)]
pub struct PushedEntry {
    /// In nanoseconds.
    pub time: i64,
    pub line: String,
    pub metadata: Vec<(String, String)>,
}

pub struct Decoded {
    pub(super) format: Format,
    pub(super) streams: Vec<PushedStream>,
    pub(super) surprises: Vec<String>,
}

pub(super) fn decode(request: &Request) -> Result<Decoded, Answer> {
    let bad = |reason: String| Answer::new(400, reason + "\n");
    let mut surprises = Vec::new();
    let content_type = request.header("content-type").unwrap_or_default();
    let encoding = request.header("content-encoding").unwrap_or_default();
    let plain = match encoding {
        "" | "snappy" => request.body.clone(),
        "gzip" => read_all(GzDecoder::new(request.body.as_slice())).map_err(bad)?,
        "deflate" => read_all(DeflateDecoder::new(request.body.as_slice())).map_err(bad)?,
        other => return Err(bad(format!("Content-Encoding {other:?} not supported"))),
    };
    let (format, streams) = match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => {
            let format = match encoding {
                "gzip" => Format::JsonGzip,
                "deflate" => Format::JsonDeflate,
                _ => Format::Json,
            };
            (format, json(&plain).map_err(bad)?)
        }
        "application/x-protobuf" | "" => {
            let message = snap::raw::Decoder::new().decompress_vec(&plain).map_err(|error| bad(error.to_string()))?;
            (Format::Protobuf, protobuf(&message, &mut surprises).map_err(bad)?)
        }
        other => return Err(bad(format!("Content-Type {other:?} not supported"))),
    };
    Ok(Decoded { format, streams, surprises })
}

fn read_all(mut reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn stream(name: String, entries: Vec<PushedEntry>) -> PushedStream {
    let (labels, unreadable) = match labels::parse(&name) {
        Ok(labels) => (labels, None),
        Err(reason) => (BTreeMap::new(), Some(reason)),
    };
    PushedStream { name, labels, unreadable, entries }
}

fn json(body: &[u8]) -> Result<Vec<PushedStream>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("loghttp.PushRequest: {error}"))?;
    let streams = body["streams"].as_array().ok_or("loghttp.PushRequest: streams: not an array")?;
    streams.iter().map(json_stream).collect()
}

fn json_stream(value: &Value) -> Result<PushedStream, String> {
    let labels = strings(&value["stream"])?.into_iter().collect();
    let values = value["values"].as_array().ok_or("loghttp.Stream: values: not an array")?;
    let entries = values.iter().map(json_entry).collect::<Result<_, _>>()?;
    Ok(stream(labels::canonical(&labels), entries))
}

fn json_entry(value: &Value) -> Result<PushedEntry, String> {
    let time =
        value[0].as_str().and_then(|time| time.parse().ok()).ok_or("loghttp.Entry: the time is no text of digits")?;
    let line = value[1].as_str().ok_or("loghttp.Entry: the line is no text")?.to_owned();
    let metadata = if value[2].is_null() { Vec::new() } else { strings(&value[2])? };
    Ok(PushedEntry { time, line, metadata })
}

fn strings(value: &Value) -> Result<Vec<(String, String)>, String> {
    let object = value.as_object().ok_or("expected an object of texts")?;
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    object.iter().map(|entry| pair(entry).ok_or_else(|| format!("{}: not a text", entry.0))).collect()
}

fn protobuf(message: &[u8], surprises: &mut Vec<String>) -> Result<Vec<PushedStream>, String> {
    let mut streams = Vec::new();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => streams.push(protobuf_stream(bytes, surprises)?),
            (number, _) => surprises.push(format!("PushRequest field {number}")),
        }
    }
    Ok(streams)
}

fn protobuf_stream(message: &[u8], surprises: &mut Vec<String>) -> Result<PushedStream, String> {
    let mut name = String::new();
    let mut entries = Vec::new();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => name = text(bytes, "labels", surprises),
            (2, Field::Bytes(bytes)) => entries.push(protobuf_entry(bytes, surprises)?),
            (number, _) => surprises.push(format!("Stream field {number}")),
        }
    }
    Ok(stream(name, entries))
}

fn protobuf_entry(message: &[u8], surprises: &mut Vec<String>) -> Result<PushedEntry, String> {
    let mut entry = PushedEntry::default();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => {
                for field in Fields(bytes) {
                    // Negative numbers are written as their two's complement. Loki counts nanoseconds in 64 bits and
                    // lets times after 2262 wrap around, as Go does.
                    match field? {
                        (1, Field::Varint(seconds)) => {
                            entry.time = entry.time.wrapping_add(seconds.cast_signed().wrapping_mul(1_000_000_000));
                        }
                        (2, Field::Varint(nanos)) => entry.time = entry.time.wrapping_add(nanos.cast_signed()),
                        (number, _) => surprises.push(format!("Timestamp field {number}")),
                    }
                }
            }
            (2, Field::Bytes(bytes)) => entry.line = text(bytes, "line", surprises),
            (3, Field::Bytes(bytes)) => entry.metadata.push(protobuf_pair(bytes, surprises)?),
            (number, _) => surprises.push(format!("Entry field {number}")),
        }
    }
    Ok(entry)
}

fn protobuf_pair(message: &[u8], surprises: &mut Vec<String>) -> Result<(String, String), String> {
    let mut pair = (String::new(), String::new());
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => pair.0 = text(bytes, "metadata name", surprises),
            (2, Field::Bytes(bytes)) => pair.1 = text(bytes, "metadata value", surprises),
            (number, _) => surprises.push(format!("LabelPair field {number}")),
        }
    }
    Ok(pair)
}

fn text(bytes: &[u8], what: &str, surprises: &mut Vec<String>) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|error| {
        surprises.push(format!("a {what} that is not UTF-8"));
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    })
}

/// The fields of one message, in order, as (number, value).
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or_else(|| "proto: unexpected EOF".to_owned());
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..10 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
