//! Bodies of answers on the wire: whole, cut off, or with padding that is made while it is sent.
//!
//! It must not know why a body is cut or padded.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;

/// How much padding is sent at once, in bytes.
const CHUNK: usize = 64 * 1024;
static PADDING: [u8; CHUNK] = [b' '; CHUNK];

/// The connection is to be lost now.
#[derive(Debug, Error)]
#[error("the connection is lost on purpose")]
pub struct Lost;

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Padding(u64),
}

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Sent {
    pieces: VecDeque<Piece>,
    /// How many bytes are announced and will never come; then the connection is lost.
    missing: u64,
    /// Whether what came before the loss had its time to be flushed.
    flushed: bool,
}

impl Sent {
    /// Returns a body that comes as it is.
    #[must_use]
    pub fn whole(body: Bytes) -> Self {
        Self {
            pieces: VecDeque::from([Piece::Bytes(body)]),
            ..Self::default()
        }
    }

    /// Returns a body of which half is sent.
    #[must_use]
    pub fn half(mut body: Bytes) -> Self {
        let missing = body.split_off(body.len() / 2);
        Self {
            pieces: VecDeque::from([Piece::Bytes(body)]),
            // Also an empty body is lost.
            missing: u64::try_from(missing.len()).unwrap_or(u64::MAX).max(1),
            flushed: false,
        }
    }

    /// Returns a body of `start`, so many blanks, and `end`.
    #[must_use]
    pub fn padded(start: Vec<u8>, padding: u64, end: Vec<u8>) -> Self {
        let pieces = [
            Piece::Bytes(start.into()),
            Piece::Padding(padding),
            Piece::Bytes(end.into()),
        ];
        Self {
            pieces: VecDeque::from(pieces),
            ..Self::default()
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        loop {
            match self.pieces.pop_front() {
                None if self.missing > 0 && !self.flushed => {
                    self.flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None if self.missing > 0 => return Poll::Ready(Some(Err(Lost))),
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Padding(0)) => {}
                Some(Piece::Padding(left)) => {
                    let now = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                    let after = left.saturating_sub(u64::try_from(now).unwrap_or(left));
                    self.pieces.push_front(Piece::Padding(after));
                    let chunk = PADDING.get(..now).unwrap_or_default();
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk)))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.missing == 0 && self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Piece::Padding(length) => *length,
        });
        SizeHint::with_exact(lengths.fold(self.missing, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut body: Sent) -> (u64, Vec<u8>, bool) {
        let announced = body.size_hint().exact().unwrap();
        let (mut seen, mut lost) = (Vec::new(), false);
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => seen.extend(frame.into_data().unwrap()),
                Poll::Ready(Some(Err(Lost))) => {
                    lost = true;
                    break;
                }
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
        }
        (announced, seen, lost)
    }

    #[test]
    fn a_body_comes_whole_half_or_padded() {
        assert_eq!(
            read(Sent::whole(Bytes::from_static(b"abcd"))),
            (4, b"abcd".to_vec(), false)
        );
        assert_eq!(read(Sent::half(Bytes::from_static(b"abcd"))), (4, b"ab".to_vec(), true));
        assert_eq!(read(Sent::half(Bytes::new())), (1, Vec::new(), true));
        let (announced, seen, lost) = read(Sent::padded(b"<".to_vec(), 200_000, b">".to_vec()));
        assert_eq!((announced, seen.len(), lost), (200_002, 200_002, false));
        assert!(seen.starts_with(b"< ") && seen.ends_with(b" >"));
        assert!(Sent::default().is_end_stream() && !Sent::half(Bytes::new()).is_end_stream());
    }
}
