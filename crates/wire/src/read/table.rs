//! Tables of the top-level parameters that a dialect knows, and what each means for the price. What is not listed sets
//! `unknown_parameters`, so that the quote reserves the whole context window.

use crate::dialect::Endpoint;

/// What to do with a known parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Read by us: it changes the price or is spliced. The same at every endpoint.
    Field(Field),
    /// It cannot raise the price beyond what the other fields say. Valid at the endpoints of the mask.
    Harmless(u8),
    /// It chooses among models or providers behind the upstream.
    Routing,
    /// It may cost money that cannot be bounded, or leads around a guard of this relay; the text says why.
    Refused(&'static str),
}

/// A parameter that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    AnswerFormats,
    AnswerModalities,
    AnthropicVersion,
    Audio,
    BestOf,
    CachedContent,
    Compaction,
    ContextManagement,
    Conversation,
    BedrockFields,
    BedrockTier,
    BedrockTools,
    CountedRequest,
    Echo,
    EmbedRequests,
    ExtraBody,
    Functions,
    GeminiTools,
    GenerationConfig,
    Geography,
    Image,
    Images,
    InferenceConfig,
    Input,
    InteractionInput,
    InteractionTools,
    Instances,
    Later,
    MakerSettings,
    MakerTurn,
    McpServers,
    MaxCompletionTokens,
    MaxTokens,
    Messages,
    Metadata,
    Modalities,
    Model,
    NoStream,
    OllamaOptions,
    OllamaStream,
    Choices,
    Documents,
    Parameters,
    PartialImages,
    Parts,
    Performance,
    Prediction,
    PreviousResponse,
    Prompt,
    Provider,
    Query,
    ResourceName,
    ResponseFormat,
    ResponseItems,
    SearchOptions,
    SearchSwitch,
    ServiceTier,
    Speed,
    SpokenText,
    Store,
    StoredPrompt,
    Stream,
    StreamFormat,
    StreamOptions,
    System,
    Temperature,
    Text,
    SafetyIdentifier,
    Tools,
    UsageOptions,
    User,
    VeniceParameters,
}

pub(super) const TEXT: u8 = 1;
pub(super) const EMBED: u8 = 2;
pub(super) const ALL: u8 = TEXT | EMBED;

/// The known parameters of some endpoints.
pub(super) struct Table {
    pub(super) known: &'static [(&'static str, Rule)],
    by_length: ByLength,
    /// `snake_case` is another spelling of `camelCase` names, as parsers of protocol buffers have it.
    takes_snake_case: bool,
}

impl Table {
    pub(super) const fn new(known: &'static [(&'static str, Rule)], takes_snake_case: bool) -> Table {
        Table { known, by_length: by_length(known), takes_snake_case }
    }

    /// The place of a name among the known ones.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let found = self.by_length.find(self.known, name);
        if found.is_some() || !self.takes_snake_case || !name.contains(&b'_') {
            return found;
        }
        self.by_length.find(self.known, camel(name).as_bytes())
    }

    /// The guarded name that `name` could be taken for by a parser that ignores case or underscores, though it is not it.
    ///
    /// Case folding is that of Go's standard library, which also takes the long s for an s and the Kelvin sign for a k.
    pub(super) fn variant_of(&self, name: &str) -> Option<&'static str> {
        let folded = fold(name);
        let guarded = self.known.iter().filter(|(_, rule)| !matches!(rule, Rule::Harmless(_)));
        guarded.map(|(known, _)| *known).find(|known| *known != name && fold(known) == folded)
    }
}

/// A `snake_case` name in `camelCase`.
pub(super) fn camel(name: &[u8]) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raises = false;
    for &byte in name {
        match byte {
            b'_' => raises = true,
            byte => {
                camel.push(if raises { byte.to_ascii_uppercase() } else { byte } as char);
                raises = false;
            }
        }
    }
    camel
}

/// Longest known name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 40;
/// Most known names of a table: the set of seen ones has this many places.
pub(super) const NAMES_MAX: usize = 128;

/// Places by length: names of length `l` are at `order[starts[l]..starts[l + 1]]`.
struct ByLength {
    order: [u8; NAMES_MAX],
    starts: [u8; NAME_BYTES_MAX + 2],
}

/// Sorts the places by length, once, while compiling.
const fn by_length(known: &[(&str, Rule)]) -> ByLength {
    let mut order = [0; NAMES_MAX];
    let mut starts = [0; NAME_BYTES_MAX + 2];
    let (mut length, mut next) = (0, 0);
    while length <= NAME_BYTES_MAX {
        starts[length] = next;
        let mut place = 0;
        while place < known.len() {
            if known[place].0.len() == length {
                order[next as usize] = place as u8;
                next += 1;
            }
            place += 1;
        }
        length += 1;
    }
    starts[NAME_BYTES_MAX + 1] = next;
    ByLength { order, starts }
}

impl ByLength {
    #[inline]
    fn find(&self, known: &[(&str, Rule)], name: &[u8]) -> Option<usize> {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let same_length = usize::from(self.starts[name.len()])..usize::from(self.starts[name.len() + 1]);
        self.order[same_length].iter().map(|&place| usize::from(place)).find(|&place| known[place].0.as_bytes() == name)
    }
}

/// Whether a harmless parameter belongs to this endpoint.
pub(super) const fn is_valid_at(mask: u8, endpoint: Endpoint) -> bool {
    let bit = if endpoint.is_embedding() { EMBED } else { TEXT };
    mask & bit != 0
}

/// Lower case without underscores and hyphens.
pub(crate) fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
