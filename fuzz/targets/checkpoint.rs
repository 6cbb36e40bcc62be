//! Any bytes as a checkpoint: total; what is read is written again the same; a damaged tail takes no whole record along.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater::flow::checkpoint::State;
use tailwater::flow::record::{decode, encode};
use tailwater::flow::slot::{Slot, decode_slot, encode_slot};

fuzz_target!(|input: (bool, u16, &[u8])| {
    let (valid, at, bytes) = input;
    if let Some((record, length)) = decode(bytes) {
        let mut again = Vec::new();
        encode(&record, &mut again);
        assert_eq!(again, bytes[..length]);
    }
    // A slot with a right beginning, so that what is behind it is looked at.
    let mut slot = if valid { encode_slot(&State::default(), u64::from(at)) } else { Vec::new() };
    slot.extend_from_slice(bytes);
    if let Slot::Read(read) = decode_slot(&slot) {
        assert_eq!(read.whole + read.damaged, slot.len() as u64);
        let again = encode_slot(&read.state, read.generation);
        let Slot::Read(again) = decode_slot(&again) else { panic!("what was written is read") };
        assert_eq!((again.generation, again.state, again.damaged), (read.generation, read.state, 0));
    }
});
