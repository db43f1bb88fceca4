//! What Converse calls the types of images and documents.

/// Its words, and the types that they are.
const IMAGES: [(&str, &str); 4] =
    [("png", "image/png"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")];

const DOCUMENTS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

/// The type of an image.
pub(super) fn image_type(word: &str) -> Option<&'static str> {
    type_of(&IMAGES, word)
}

/// The word for an image of a type.
pub(super) fn image_word(media: &str) -> Option<&'static str> {
    word_of(&IMAGES, if media == "image/jpg" { "image/jpeg" } else { media })
}

/// The type of a document.
pub(super) fn document_type(word: &str) -> Option<&'static str> {
    type_of(&DOCUMENTS, word)
}

/// The word for a document of a type.
pub(super) fn document_word(media: &str) -> Option<&'static str> {
    word_of(&DOCUMENTS, media)
}

fn type_of(all: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    all.iter().find(|(known, _)| *known == word).map(|(_, media)| *media)
}

fn word_of(all: &[(&'static str, &'static str)], media: &str) -> Option<&'static str> {
    all.iter().find(|(_, known)| *known == media).map(|(word, _)| *word)
}
