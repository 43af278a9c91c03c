//! Header cards of a FITS file, to be changed: 80 bytes each, in blocks of 2880, up to END (FITS 4.0, section 3.3).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

const CARD: usize = 80;
const BLOCK: usize = 2880;
/// Columns of a HISTORY card that are its text: 9 to 80.
const TEXT: usize = CARD - 8;
/// A header of more than this is none that an imager wrote.
const MOST_BLOCKS: usize = 4096;

pub(super) type Card = [u8; CARD];

/// The cards of a file's first header, and where its data begin.
pub(super) struct Cards {
    pub cards: Vec<Card>,
    pub data_at: u64,
}

impl Cards {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut cards = Vec::new();
        let mut block = [0; BLOCK];
        for number in 1..=MOST_BLOCKS {
            file.read_exact(&mut block)?;
            if number == 1 && !block.starts_with(b"SIMPLE  =") {
                break;
            }
            for card in block.chunks_exact(CARD) {
                let card = Card::try_from(card).expect("because a chunk has a card's size");
                if keyword(&card) == "END" {
                    return Ok(Self { cards, data_at: (number * BLOCK) as u64 });
                }
                cards.push(card);
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a FITS file, or its header has no END"))
    }

    /// The header's bytes: its cards, END and padding.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.cards.concat();
        bytes.extend(card("END", ""));
        bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
        bytes
    }

    /// Puts the cards into `path`: in place where they fit, else the file is written anew beside it and takes its name.
    pub(super) fn replace(&self, path: &Path) -> io::Result<()> {
        let header = self.bytes();
        if header.len() as u64 == self.data_at {
            let mut file = File::options().write(true).open(path)?;
            return file.write_all(&header);
        }
        let temporary = beside(path);
        let write = || {
            let mut old = File::open(path)?;
            old.seek(SeekFrom::Start(self.data_at))?;
            let mut new = File::create(&temporary)?;
            new.write_all(&header)?;
            io::copy(&mut old, &mut new)?;
            std::fs::rename(&temporary, path)
        };
        write().inspect_err(|_| {
            // The first error is the one to report.
            let _ = std::fs::remove_file(&temporary);
        })
    }

    /// The texts of the HISTORY cards; one that goes on over several cards is one text.
    pub(super) fn history(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut goes_on = false;
        for card in self.cards.iter().filter(|card| keyword(card) == "HISTORY") {
            let text = String::from_utf8_lossy(&card[8..]);
            match texts.last_mut().filter(|_| goes_on) {
                Some(last) => last.push_str(&text),
                None => texts.push(text.clone().into_owned()),
            }
            // A writer that breaks lines fills a card to its end, or to a blank there.
            goes_on = card[CARD - 2..] != [b' ', b' '];
        }
        texts.into_iter().map(|text| text.trim_end().to_owned()).collect()
    }

    /// Has these HISTORY cards and no others, at the end.
    pub(super) fn set_history(&mut self, texts: &[String]) {
        self.cards.retain(|card| keyword(card) != "HISTORY");
        self.cards.extend(texts.iter().flat_map(|text| history_cards(text)));
    }
}

/// A file beside `path` that is going to take its name.
pub(super) fn beside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// The keyword of a card.
pub(super) fn keyword(card: &Card) -> &str {
    std::str::from_utf8(&card[..8]).map_or("", str::trim_end)
}

/// A card from a keyword and what follows it.
pub(super) fn card(keyword: &str, rest: &str) -> Card {
    let mut card = [b' '; CARD];
    let text = format!("{keyword:<8}{rest}");
    for (place, character) in card.iter_mut().zip(text.chars()) {
        // Printable ASCII is all that a header may hold.
        *place = if (' '..='~').contains(&character) { character as u8 } else { b'?' };
    }
    card
}

/// HISTORY cards with a text of any length.
pub(super) fn history_cards(text: &str) -> Vec<Card> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(TEXT).map(|part| card("HISTORY", &part.iter().collect::<String>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(history: &[&str], folder: &Path) -> std::path::PathBuf {
        let mut cards = Cards { cards: vec![card("SIMPLE", "=                    T")], data_at: 0 };
        cards.set_history(&history.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let mut bytes = cards.bytes();
        bytes.extend([7; 2880]);
        let path = folder.join("x.fits");
        std::fs::write(&path, bytes).expect("write");
        path
    }

    #[test]
    fn history_comes_back_and_the_data_stay() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let long = "abc def ".repeat(40);
        let path = file(&["first", long.trim_end(), "third"], dir.path());
        let mut cards = Cards::read(&path).expect("read");
        assert_eq!(cards.history(), ["first", long.trim_end(), "third"]);
        for lines in [2, 200] {
            let texts: Vec<String> = (0..lines).map(|line| format!("line {line} ü")).collect();
            cards.set_history(&texts);
            cards.replace(&path).expect("replace");
            cards = Cards::read(&path).expect("read");
            assert_eq!(cards.history().len(), lines);
            assert_eq!(cards.history()[1], "line 1 ?");
            let bytes = std::fs::read(&path).expect("read");
            assert_eq!((bytes.len() % BLOCK, &bytes[bytes.len() - BLOCK..]), (0, &[7; BLOCK][..]));
            assert_eq!(bytes.len() as u64, cards.data_at + BLOCK as u64);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_fits_file_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.fits");
        for bytes in [Vec::new(), vec![b' '; 100], vec![b' '; 2 * BLOCK], b"SIMPLE  =".to_vec()] {
            std::fs::write(&path, &bytes).expect("write");
            assert!(Cards::read(&path).is_err(), "{} bytes", bytes.len());
        }
    }
}
