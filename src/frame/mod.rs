//! frame.

use crate::model::origin::Format;

/// Placeholder until the frame branch lands.
pub fn detect(_head: &[u8]) -> Option<Format> {
    None
}
