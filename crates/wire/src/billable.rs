//! What a request says that can change its price. Consumers destructure it exhaustively, so that a new field cannot be
//! forgotten in a quote.

/// The service tier that a request asks for; providers price them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceTier {
    /// The provider's choice.
    Auto,
    /// The list price.
    Default,
    /// Cheaper and slower.
    Flex,
    /// Dearer and faster.
    Priority,
    /// Prepaid throughput.
    Scale,
    /// A name that this relay does not know: its price is not known either.
    Other,
}

/// What of its input a request may have written to the provider's prompt cache, which costs more than plain input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheWrites {
    /// Nothing: the dialect writes only what it is asked to, and it is not.
    None,
    /// For minutes.
    Short,
    /// For an hour, or at the provider's own choice.
    Any,
}

/// EVERYTHING in a request that can change its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billable {
    /// Bytes of the body that may become text tokens: the whole body less the inline base64 payloads, each counted below.
    pub text_bytes: u64,
    /// Messages of a conversation; 0 for the other endpoints.
    pub messages: u32,
    /// Declared tools and functions.
    pub tools: u32,
    /// Tools that are neither functions nor custom tools: the provider runs them, and may charge for each use.
    pub server_tools: u32,
    /// Images, inline or by URL.
    pub images: u32,
    /// Audio clips, inline or by URL or by the id of an earlier answer.
    pub audios: u32,
    /// Decoded bytes of inline audio, rounded up.
    pub audio_bytes: u64,
    /// Files, documents and videos, inline or by reference.
    pub files: u32,
    /// Decoded bytes of inline files, rounded up. A file by reference has 0 here.
    pub file_bytes: u64,
    /// Of `files`: videos, whose sound is billed as audio.
    pub videos: u32,
    /// Prompts or inputs in an array (completions, embeddings); otherwise 1.
    pub prompts: u32,
    /// Choices per prompt (`n`), default 1.
    pub choices: u32,
    /// Candidates per prompt made at the provider (`best_of`), where given.
    pub best_of: Option<u32>,
    /// `max_completion_tokens` or `max_tokens`, per choice; `None` when neither is given.
    pub output_limit: Option<u64>,
    /// Tokens that may be billed beyond `output_limit`, per choice.
    pub beyond_limit: u64,
    /// Bytes of a predicted output: rejected tokens of it are billed as output.
    pub prediction_bytes: u64,
    /// Audio may be answered, which is billed at its own price.
    pub audio_output: bool,
    /// The provider may search the web for this request, and charge per search.
    pub web_search: bool,
    /// Units of search that putting documents in order may be billed as; 0 elsewhere.
    pub search_units: u64,
    /// Nothing but units of search is billed for it (Cohere).
    pub units_alone: bool,
    /// Searches at most, where every tool that searches has a limit of its own; `None` where nothing bounds them.
    pub searches_max: Option<u32>,
    /// The service tier, where one is named.
    pub service_tier: Option<ServiceTier>,
    /// The prompt is repeated in the answer (completions).
    pub echo: bool,
    /// The first parameter, if any, that chooses among models or providers behind the upstream, whose prices may differ:
    /// for the operator to allow.
    pub upstream_routing: Option<&'static str>,
    /// A top-level parameter that this relay does not know is present: reserve the whole context window.
    pub unknown_parameters: bool,
    /// What may be written to a prompt cache.
    pub cache_writes: CacheWrites,
    /// The provider goes on by itself after each of its tools, and bills every time that it reads the conversation anew.
    pub rereads: bool,
    /// The provider may sum up the conversation before it answers, which it bills beside the answer.
    pub compacts: bool,
    /// Something that the provider keeps is input again, such as the conversation before, of any length.
    pub stored_input: bool,
    /// Characters of a text that is to be spoken; or that a text may have which becomes a vector where characters can have a
    /// price (Vertex).
    pub characters: u64,
    /// Unfinished images that are shown before each image is done.
    pub partial_images: u32,
    /// The answer is asked for in a form that tells no usage (plain text, subtitles).
    pub untold_format: bool,
    /// The provider bills no tokens for it: tokens are counted, or a text is judged.
    pub is_free: bool,
}

impl Default for Billable {
    /// A request that asks for one choice of one prompt, and nothing else.
    fn default() -> Billable {
        Billable {
            text_bytes: 0,
            messages: 0,
            tools: 0,
            server_tools: 0,
            images: 0,
            audios: 0,
            audio_bytes: 0,
            files: 0,
            file_bytes: 0,
            videos: 0,
            prompts: 1,
            choices: 1,
            best_of: None,
            output_limit: None,
            beyond_limit: 0,
            prediction_bytes: 0,
            audio_output: false,
            web_search: false,
            search_units: 0,
            units_alone: false,
            searches_max: None,
            service_tier: None,
            echo: false,
            upstream_routing: None,
            unknown_parameters: false,
            cache_writes: CacheWrites::Any,
            rereads: false,
            compacts: false,
            stored_input: false,
            characters: 0,
            partial_images: 0,
            untold_format: false,
            is_free: false,
        }
    }
}
