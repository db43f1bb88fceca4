//! The parameters of what OpenAI and others make beside texts: images and speech.

use super::super::table::{ALL, Field, Rule, Table};

/// Images from a text.
pub(super) static IMAGES: Table = Table::new(KNOWN_OF_IMAGES, false);
/// A text that is spoken.
pub(super) static SPEECH: Table = Table::new(KNOWN_OF_SPEECH, false);

const STREAM: &str = "streams what this relay cannot meter yet; leave it out";

const KNOWN_OF_IMAGES: &[(&str, Rule)] = &[
    ("n", Rule::Field(Field::Choices)),
    ("seed", Rule::Harmless(ALL)),
    ("size", Rule::Harmless(ALL)),
    ("user", Rule::Field(Field::User)),
    ("model", Rule::Field(Field::Model)),
    ("style", Rule::Harmless(ALL)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("stream", Rule::Field(Field::NoStream)),
    ("quality", Rule::Harmless(ALL)),
    ("background", Rule::Harmless(ALL)),
    ("moderation", Rule::Harmless(ALL)),
    ("resolution", Rule::Harmless(ALL)),
    ("aspect_ratio", Rule::Harmless(ALL)),
    ("output_format", Rule::Harmless(ALL)),
    ("partial_images", Rule::Refused(STREAM)),
    ("response_format", Rule::Harmless(ALL)),
    ("output_compression", Rule::Harmless(ALL)),
];

const KNOWN_OF_SPEECH: &[(&str, Rule)] = &[
    ("input", Rule::Field(Field::SpokenText)),
    ("model", Rule::Field(Field::Model)),
    ("speed", Rule::Harmless(ALL)),
    ("voice", Rule::Harmless(ALL)),
    ("stream", Rule::Field(Field::NoStream)),
    ("instructions", Rule::Harmless(ALL)),
    ("stream_format", Rule::Refused(STREAM)),
    ("response_format", Rule::Harmless(ALL)),
];
