// The batch pipelines, one row each: everything that differs between them stands here, and parsing,
// validation, forwarding, prices, latency scores, the OpenAPI document and the pages follow from it
// (spec/batch.md 2 and 6; docs/adding-a-pipeline.md). Pure.
#pragma once

#include "session/capabilities.hpp"
#include "session/latency_score.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace rivulet::batch {

enum class body_kind { json, multipart };

enum class field_kind {
    text,
    integer,  // fits 64 bits
    number,   // finite
    boolean,  // in forms: 1 t T TRUE true True 0 f F FALSE false False
    messages, // of a conversation: [{"role","content"}]
    file
};

// What a file must be; it is looked at before anybody is asked.
enum class media_kind { none, image, audio };

// The shape of a good answer.
enum class reply_kind {
    images,    // {"images":[{"url","seed","nsfw"}]}
    video,     // the same, the files are videos
    audio,     // {"audio":{"url"}}
    text,      // {"text"}
    chunks,    // {"text","chunks":[{"text","timestamp":[from,to]}]}
    masks,     // {"masks","scores","logits"}
    completion // of a conversation; an event stream when "stream" is true
};

struct field {
    std::string_view name;
    field_kind kind = field_kind::text;
    bool required = false;
    // JSON text that goes into the forwarded request when the client named no value. Empty: the
    // field stays away and the runner applies `documented`.
    std::string_view fallback;
    std::string_view documented; // JSON text, for people
    std::optional<double> low, high;
    // A lower value becomes `low`, as the network does it, instead of being refused.
    bool raised = false;
    // The gateway writes it from what the file is; what a client says is discarded.
    bool own = false;
    std::string_view help;
};

struct pipeline {
    std::string_view name; // "text-to-image": its path and the capability's name on the wire
    session::capability_id id = 0;
    std::string_view title, summary;
    body_kind body = body_kind::json;
    media_kind media = media_kind::none; // of its file
    std::size_t file_limit = 0;          // bytes; 0: what the body may have
    std::string_view model_field = "model_id";
    std::string_view default_model;
    std::span<const field> fields; // in the order in which they are forwarded; a file comes first
    reply_kind reply = reply_kind::images;
    // What is billed, and seconds per unit of it (session/latency_score.hpp).
    std::int64_t (*units)(const session::work_shape&) = nullptr;
    std::optional<double> (*score)(const session::work_shape&, double took) = nullptr;

    const field* find(std::string_view name) const;
    std::string_view file_field() const; // empty: it takes none
};

std::span<const pipeline> catalog();
// Null for a name that no row has.
const pipeline* find_pipeline(std::string_view name);

} // namespace rivulet::batch
