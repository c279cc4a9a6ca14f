#include "batch/catalog.hpp"

#include <array>

namespace rivulet::batch {
namespace {

using namespace session;

template <capability_id id>
std::int64_t units(const work_shape& shape) {
    return units_of(id, shape);
}

template <capability_id id>
std::optional<double> score(const work_shape& shape, double took) {
    return latency_score(id, shape, took);
}

// ---- fields that mean the same everywhere

constexpr field model{
    .name = "model_id", .help = "Model that does the work. GET /models lists what is there."};
constexpr field loras{
    .name = "loras",
    .documented = "\"\"",
    .help = "LoRA weights as a JSON object in text: {\"latent-consistency/lcm-lora-sdxl\": 1.0}."};
constexpr field prompt{.name = "prompt", .required = true, .help = "What the picture should show."};
constexpr field negative_prompt{
    .name = "negative_prompt", .documented = "\"\"", .help = "What the picture should not show."};
constexpr field guidance_scale{
    .name = "guidance_scale",
    .kind = field_kind::number,
    .documented = "7.5",
    .help = "How closely the picture follows the prompt; higher is closer."};
constexpr field safety_check{
    .name = "safety_check",
    .kind = field_kind::boolean,
    .documented = "true",
    .help = "Whether results are checked for offensive content; \"nsfw\" tells the outcome."};
constexpr field seed{
    .name = "seed",
    .kind = field_kind::integer,
    .help = "Makes a result repeatable; picture i has seed + i. Random when absent."};
constexpr field pictures{
    .name = "num_images_per_prompt",
    .kind = field_kind::integer,
    .fallback = "1",
    .documented = "1",
    .low = 1,
    .high = 64,
    .raised = true,
    .help = "How many pictures to make."};
constexpr field image{
    .name = "image", .kind = field_kind::file, .required = true, .help = "The picture to work on."};

constexpr field steps(std::string_view usual) {
    return {
        .name = "num_inference_steps",
        .kind = field_kind::integer,
        .documented = usual,
        .help = "Denoising steps: more take longer and look better."};
}

constexpr field side(std::string_view name, std::string_view usual, std::string_view help) {
    return {
        .name = name,
        .kind = field_kind::integer,
        .fallback = usual,
        .documented = usual,
        .low = 1,
        .high = 8192,
        .help = help};
}

constexpr field json_text(std::string_view name, std::string_view help) {
    return {.name = name, .help = help};
}

constexpr field on_by_default(std::string_view name, std::string_view help) {
    return {.name = name, .kind = field_kind::boolean, .documented = "true", .help = help};
}

// ---- the fields of each pipeline, in the order in which they are forwarded

constexpr field text_to_image[]{
    model,
    loras,
    prompt,
    side("height", "512", "Height of the picture in pixels."),
    side("width", "512", "Width of the picture in pixels."),
    guidance_scale,
    negative_prompt,
    safety_check,
    seed,
    steps("50"),
    pictures};

constexpr field image_to_image[]{
    image,
    prompt,
    model,
    loras,
    {.name = "strength",
     .kind = field_kind::number,
     .documented = "0.8",
     .help = "How far the result may go from the picture, 0 to 1."},
    guidance_scale,
    {.name = "image_guidance_scale",
     .kind = field_kind::number,
     .documented = "1.5",
     .help = "How closely the result follows the picture; higher is closer."},
    negative_prompt,
    safety_check,
    seed,
    pictures,
    steps("100")};

constexpr field image_to_video[]{
    image,
    model,
    side("height", "576", "Height of the video in pixels; a multiple of 8."),
    side("width", "1024", "Width of the video in pixels; a multiple of 8."),
    {.name = "fps",
     .kind = field_kind::integer,
     .fallback = "6",
     .documented = "6",
     .low = 1,
     .high = 240,
     .help = "Frames a second of the video."},
    {.name = "motion_bucket_id",
     .kind = field_kind::integer,
     .documented = "127",
     .help = "How much moves; higher is more."},
    {.name = "noise_aug_strength",
     .kind = field_kind::number,
     .documented = "0.02",
     .help = "Noise added to the picture: higher looks less like it and moves more."},
    seed,
    safety_check,
    steps("25")};

constexpr field upscaled[]{image, prompt, model, safety_check, seed, steps("75")};

constexpr field audio_to_text[]{
    {.name = "audio",
     .kind = field_kind::file,
     .required = true,
     .help = "The recording: mp4, m4a, webm, mp3, flac, wav or ogg."},
    model,
    {.name = "return_timestamps",
     .documented = "\"true\"",
     .help = "\"true\" or \"sentence\": times of each sentence; \"word\": of each word; \"false\": "
             "none."},
    {.name = "metadata", .own = true, .help = "The recording's duration."}};

constexpr field segment_anything_2[]{
    image,
    model,
    json_text("point_coords", "Points, a JSON list of [x, y] in pixels."),
    json_text("point_labels", "For each point 1 (belongs to it) or 0 (does not), a JSON list."),
    json_text("box", "A box as a JSON list [x0, y0, x1, y1] in pixels."),
    json_text("mask_input", "A mask of an earlier answer, 1×256×256, a JSON list."),
    on_by_default("multimask_output", "Whether to return three masks instead of the best."),
    on_by_default("return_logits", "Whether masks hold raw values instead of 0 and 1."),
    on_by_default("normalize_coords", "Whether coordinates are scaled to the picture's size.")};

constexpr field image_to_text[]{
    image,
    {.name = "prompt", .documented = "\"\"", .help = "What the answer should begin with or tell."},
    model};

constexpr field text_to_speech[]{
    model,
    {.name = "text", .required = true, .help = "What to say."},
    {.name = "description",
     .documented = "\"A male speaker delivers a slightly expressive and animated speech with a "
                   "moderate speed and pitch.\"",
     .help = "How the voice should sound."}};

constexpr field llm[]{
    {.name = "messages",
     .kind = field_kind::messages,
     .required = true,
     .help = "The conversation so far, oldest first."},
    {.name = "model", .help = "Model that answers. GET /models lists what is there."},
    {.name = "max_tokens",
     .kind = field_kind::integer,
     .fallback = "256",
     .documented = "256",
     .low = 1,
     .high = 1'000'000,
     .help = "How long the answer may be; this is what is paid for."},
    {.name = "stream",
     .kind = field_kind::boolean,
     .fallback = "false",
     .documented = "false",
     .help = "Whether the answer comes in pieces, as server-sent events."},
    {.name = "temperature",
     .kind = field_kind::number,
     .documented = "0.7",
     .help = "How much chance there is in the answer; 0 is none."},
    {.name = "top_p",
     .kind = field_kind::number,
     .documented = "1.0",
     .help = "Only words within this share of probability are taken."},
    {.name = "top_k",
     .kind = field_kind::integer,
     .documented = "-1",
     .help = "Only so many of the likeliest words are taken; -1 is all."}};

constexpr std::size_t runner_upload = 50u << 20; // what runners take; larger ones they answer 413

constexpr std::array rows{
    pipeline{
        .name = "text-to-image",
        .id = capability::text_to_image,
        .title = "Text to image",
        .summary = "Makes pictures from a description.",
        .default_model = "stabilityai/sdxl-turbo",
        .fields = text_to_image,
        .reply = reply_kind::images,
        .units = units<capability::text_to_image>,
        .score = score<capability::text_to_image>},
    pipeline{
        .name = "image-to-image",
        .id = capability::image_to_image,
        .title = "Image to image",
        .summary = "Changes a picture as a description says.",
        .body = body_kind::multipart,
        .media = media_kind::image,
        .default_model = "stabilityai/sdxl-turbo",
        .fields = image_to_image,
        .reply = reply_kind::images,
        .units = units<capability::image_to_image>,
        .score = score<capability::image_to_image>},
    pipeline{
        .name = "image-to-video",
        .id = capability::image_to_video,
        .title = "Image to video",
        .summary = "Makes a short video that begins with a picture.",
        .body = body_kind::multipart,
        .media = media_kind::image,
        .default_model = "stabilityai/stable-video-diffusion-img2vid-xt",
        .fields = image_to_video,
        .reply = reply_kind::video,
        .units = units<capability::image_to_video>,
        .score = score<capability::image_to_video>},
    pipeline{
        .name = "upscale",
        .id = capability::upscale,
        .title = "Upscale",
        .summary = "Makes a picture larger.",
        .body = body_kind::multipart,
        .media = media_kind::image,
        .default_model = "stabilityai/stable-diffusion-x4-upscaler",
        .fields = upscaled,
        .reply = reply_kind::images,
        .units = units<capability::upscale>,
        .score = score<capability::upscale>},
    pipeline{
        .name = "audio-to-text",
        .id = capability::audio_to_text,
        .title = "Audio to text",
        .summary = "Writes down what is said in a recording.",
        .body = body_kind::multipart,
        .media = media_kind::audio,
        .file_limit = runner_upload,
        .default_model = "openai/whisper-large-v3",
        .fields = audio_to_text,
        .reply = reply_kind::chunks,
        .units = units<capability::audio_to_text>,
        .score = score<capability::audio_to_text>},
    pipeline{
        .name = "segment-anything-2",
        .id = capability::segment_anything_2,
        .title = "Segment anything 2",
        .summary = "Finds the shapes of things in a picture.",
        .body = body_kind::multipart,
        .media = media_kind::image,
        .default_model = "facebook/sam2-hiera-large",
        .fields = segment_anything_2,
        .reply = reply_kind::masks,
        .units = units<capability::segment_anything_2>,
        .score = score<capability::segment_anything_2>},
    pipeline{
        .name = "llm",
        .id = capability::llm,
        .title = "Large language model",
        .summary = "Continues a conversation.",
        .model_field = "model",
        .default_model = "meta-llama/llama-3.1-8B-Instruct",
        .fields = llm,
        .reply = reply_kind::completion,
        .units = units<capability::llm>,
        .score = score<capability::llm>},
    pipeline{
        .name = "image-to-text",
        .id = capability::image_to_text,
        .title = "Image to text",
        .summary = "Describes a picture, or reads what is written in it.",
        .body = body_kind::multipart,
        .media = media_kind::image,
        .file_limit = runner_upload,
        .default_model = "Salesforce/blip-image-captioning-large",
        .fields = image_to_text,
        .reply = reply_kind::text,
        .units = units<capability::image_to_text>,
        .score = score<capability::image_to_text>},
    pipeline{
        .name = "text-to-speech",
        .id = capability::text_to_speech,
        .title = "Text to speech",
        .summary = "Reads a text aloud.",
        .default_model = "parler-tts/parler-tts-large-v1",
        .fields = text_to_speech,
        .reply = reply_kind::audio,
        .units = units<capability::text_to_speech>,
        .score = score<capability::text_to_speech>},
};

} // namespace

const field* pipeline::find(std::string_view wanted) const {
    for (const auto& one : fields)
        if (one.name == wanted)
            return &one;
    return nullptr;
}

std::string_view pipeline::file_field() const {
    for (const auto& one : fields)
        if (one.kind == field_kind::file)
            return one.name;
    return {};
}

std::span<const pipeline> catalog() {
    return rows;
}

const pipeline* find_pipeline(std::string_view name) {
    for (const auto& one : rows)
        if (one.name == name)
            return &one;
    return nullptr;
}

} // namespace rivulet::batch
