//! The floors: the same bytes through nothing but one step.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tailwater::model::body::Body;

use crate::clock::cpu_of;
use crate::reference;
use crate::sample::{Kind, Sample};
use crate::server::Server;
use crate::table::{Layer, Table};

/// Page cache → a buffer.
pub const READ: &str = "read";
/// Finding line ends.
pub const CUT: &str = "memchr";
/// The runtime's time of each line.
pub const TIME: &str = "time";
/// The outermost members of each JSON line up to its level.
pub const LEVEL: &str = "level in JSON";
/// All the outermost members of each JSON line.
pub const WALK: &str = "walk over JSON";
/// Items into a body, copied as they are.
pub const COPY_LOKI: &str = "copy, Loki";
pub const COPY_BULK: &str = "copy, bulk";
pub const COPY_JSON: &str = "copy, stdout JSON";
/// The compressors, on encoded bodies.
pub const SNAPPY: &str = "snappy, Loki";
pub const GZIP: &str = "gzip -1, bulk";
/// Requests over a connection, to the counting server.
pub const SEND_LOKI: &str = "HTTP, Loki";
pub const SEND_BULK: &str = "HTTP, bulk";
pub const SEND_GZIP: &str = "HTTP, bulk gzipped";

/// Takes every floor once.
pub fn round(sample: &Sample, server: &Server, table: &mut Table) -> Result<(), String> {
    let mut add = |name: &'static str, handled: usize, cpu: f64| {
        let row = table.row(Layer::Floor, name, &[]);
        row.cpu.push(sample.per_gib(cpu));
        row.handled = sample.share(handled);
    };
    add(READ, sample.bytes, cpu_of(|| read(sample)).0);
    let parts = || sample.parts.iter().map(|part| &part.bytes[..]);
    add(CUT, sample.bytes, cpu_of(|| parts().map(reference::cut).sum::<usize>()).0);
    let raw = sample.raw_lines();
    let times = || raw.iter().fold(0, |sum: u64, (line, _)| sum.wrapping_add(reference::time(line)));
    add(TIME, raw.len() * 30, cpu_of(times).0);
    let json = sample.of_kind(Kind::Json);
    let json_bytes = json.iter().map(|line| line.text.len()).sum();
    for (name, stop) in [(LEVEL, true), (WALK, false)] {
        let walk = || json.iter().map(|line| black_box(reference::walk(line.text.as_bytes(), stop)).0).sum::<usize>();
        add(name, json_bytes, cpu_of(walk).0);
    }
    let bodies = &sample.bodies;
    for (name, bodies) in [(COPY_LOKI, &bodies.loki), (COPY_BULK, &bodies.bulk), (COPY_JSON, &bodies.json)] {
        add(name, bodies.iter().map(|body| body.bytes.len()).sum(), cpu_of(|| copy(bodies)).0);
    }
    add(SNAPPY, bodies.pushes.iter().map(Vec::len).sum(), cpu_of(|| snappy(&bodies.pushes)).0);
    let bulk: Vec<&[u8]> = bodies.bulk.iter().map(|body| &body.bytes[..]).collect();
    add(GZIP, bulk.iter().map(|body| body.len()).sum(), cpu_of(|| gzip(&bulk)).0);
    let loki: Vec<&[u8]> = bodies.loki_requests.iter().map(|body| &body[..]).collect();
    let gzipped: Vec<&[u8]> = bodies.gzip_requests.iter().map(|body| &body[..]).collect();
    let plain = (SEND_BULK, "/_bulk", "", bulk);
    let zipped = (SEND_GZIP, "/_bulk", "Content-Encoding: gzip\r\n", gzipped);
    for (name, path, header, bodies) in [(SEND_LOKI, "/loki/api/v1/push", "", loki), plain, zipped] {
        let (cpu, sent) = cpu_of(|| send(server, path, header, &bodies));
        sent?;
        add(name, bodies.iter().map(|body| body.len()).sum(), cpu);
        let found = server.found()?;
        if found.requests != bodies.len() as u64 {
            return Err(format!("{} requests were sent and {} counted", bodies.len(), found.requests));
        }
    }
    Ok(())
}

fn read(sample: &Sample) -> u64 {
    let mut buffer = vec![0; 128 << 10];
    let mut sum = 0;
    for part in &sample.parts {
        let Ok(file) = File::open(&part.path) else { continue };
        let mut at = 0;
        while at < part.bytes.len() {
            let wanted = buffer.len().min(part.bytes.len() - at);
            match file.read_at(&mut buffer[..wanted], at as u64) {
                Ok(count) if count > 0 => at += count,
                _ => break,
            }
            sum += u64::from(buffer[0]);
        }
    }
    sum
}

/// Item by item into a buffer that is used again, as an encoder does it.
fn copy(bodies: &[Body]) -> usize {
    let mut out: Vec<u8> = Vec::with_capacity(2 << 20);
    for body in bodies {
        out.clear();
        for item in 0..body.items.len() {
            out.extend_from_slice(body.item(item));
        }
        black_box(&out);
    }
    out.len()
}

fn snappy(bodies: &[Vec<u8>]) -> usize {
    let mut encoder = snap::raw::Encoder::new();
    let mut out = vec![0; snap::raw::max_compress_len(2 << 20)];
    bodies.iter().map(|body| encoder.compress(body, &mut out).unwrap_or(0)).sum()
}

fn gzip(bodies: &[&[u8]]) -> usize {
    let mut out = Vec::with_capacity(2 << 20);
    for body in bodies {
        out.clear();
        let mut encoder = GzEncoder::new(&mut out, Compression::fast());
        drop(encoder.write_all(body));
        drop(encoder.finish());
    }
    out.len()
}

fn send(server: &Server, path: &str, header: &str, bodies: &[&[u8]]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("send: {error}");
    let mut stream = server.connect()?;
    let mut answer = [0; 4096];
    for body in bodies {
        let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).map_err(failed)?;
        stream.write_all(body).map_err(failed)?;
        if stream.read(&mut answer).map_err(failed)? == 0 {
            return Err("send: the counting server hung up".to_owned());
        }
    }
    Ok(())
}
