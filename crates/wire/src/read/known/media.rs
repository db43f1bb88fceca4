//! The parameters of what OpenAI and others make beside texts: images and speech.

use super::super::table::{ALL, Field, Rule, Table};

/// Images from a text, and from others.
pub(super) static IMAGES: Table = Table::new(KNOWN_OF_IMAGES, false);
/// A text that is spoken.
pub(super) static SPEECH: Table = Table::new(KNOWN_OF_SPEECH, false);

const KNOWN_OF_IMAGES: &[(&str, Rule)] = &[
    ("n", Rule::Field(Field::Choices)),
    ("seed", Rule::Harmless(ALL)),
    ("size", Rule::Harmless(ALL)),
    ("mask", Rule::Field(Field::Image)),
    ("user", Rule::Field(Field::User)),
    ("image", Rule::Field(Field::Image)),
    ("model", Rule::Field(Field::Model)),
    ("style", Rule::Harmless(ALL)),
    ("images", Rule::Field(Field::Image)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("stream", Rule::Field(Field::Stream)),
    ("quality", Rule::Harmless(ALL)),
    ("background", Rule::Harmless(ALL)),
    ("moderation", Rule::Harmless(ALL)),
    ("resolution", Rule::Harmless(ALL)),
    ("aspect_ratio", Rule::Harmless(ALL)),
    ("output_format", Rule::Harmless(ALL)),
    ("input_fidelity", Rule::Harmless(ALL)),
    ("partial_images", Rule::Field(Field::PartialImages)),
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
    ("stream_format", Rule::Field(Field::StreamFormat)),
    ("response_format", Rule::Harmless(ALL)),
];
