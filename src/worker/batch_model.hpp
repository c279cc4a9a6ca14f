// The CPU models that serve batch pipelines: each one a row with a name, a pipeline and a function
// from a checked request to its result.
// Thread: any but a shard: a call takes milliseconds to minutes. Several calls may run at once.
// Fails with: invalid_argument, too_large, unsupported, media_error (the request is at fault; the
// text is for its sender), cancelled, timed_out, no_capacity.
#pragma once

#include "base/error.hpp"
#include "session/capabilities.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

struct model_call {
    boost::json::object fields; // as the pipeline's row has them (batch/catalog.hpp)
    std::string file;           // the upload's bytes, if the pipeline takes one
    // Asked between steps: nobody waits for the result any more, or it takes too long.
    std::function<bool()> cancelled = [] { return false; };

    model_call() {}

    std::string text(std::string_view field) const;
    std::optional<std::int64_t> integer(std::string_view field) const;
};

struct model_file {
    std::string bytes;
    std::string_view extension, type; // "png", "image/png"
    std::int64_t seed = 0;

    model_file(std::string b, std::string_view e, std::string_view t, std::int64_t s = 0)
        : bytes(std::move(b)), extension(e), type(t), seed(s) {}
};

struct model_answer {
    std::vector<model_file> files; // pictures, one video or one sound
    boost::json::object body;      // the whole answer when there are no files

    model_answer() {}
};

struct batch_model {
    std::string_view name;
    session::capability_id capability;
    bool (*installed)(); // the data it needs are on this machine
    outcome<model_answer> (*run)(const model_call&);
};

// Every one that this build has, installed or not.
std::span<const batch_model> batch_models();
// Null when there is none.
const batch_model* find_batch_model(session::capability_id capability, std::string_view name);

} // namespace rivulet::worker
