#include "base/utf8.hpp"
#include "batch/request.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

constexpr std::size_t most_files = 1024;
constexpr std::size_t most_choices = 1024;

failure wrong(std::string what) {
    return {errc::protocol_violation, "The answer " + std::move(what)};
}

// Reads one object; the first thing that is wrong is remembered. An absent value and null are the
// same, as for everybody in the network. Texts are taken out of it: a file may be one.
class object_reader {
  public:
    object_reader(json::object& from, std::string where) : from_(from), where_(std::move(where)) {}

    json::string text(std::string_view key, bool required) {
        auto* value = find(key);
        if (!value) {
            if (required)
                complain(key, "is missing");
            return {};
        }
        auto* text = value->if_string();
        if (!text) {
            complain(key, "is no text");
            return {};
        }
        return std::move(*text);
    }

    std::int64_t integer(std::string_view key) {
        auto* value = find(key);
        if (!value)
            return 0;
        if (const auto* number = value->if_int64())
            return *number;
        // Seeds that some runner wrote as 1.0.
        if (const auto* number = value->if_double(); number && *number >= -9e15 && *number <= 9e15)
            if (const auto whole = static_cast<std::int64_t>(*number);
                static_cast<double>(whole) == *number)
                return whole;
        complain(key, "is no integer");
        return 0;
    }

    bool flag(std::string_view key) {
        auto* value = find(key);
        if (!value)
            return false;
        const auto* flag = value->if_bool();
        if (!flag)
            complain(key, "is no boolean");
        return flag && *flag;
    }

    json::array* list(std::string_view key, bool required) {
        auto* value = find(key);
        if (!value) {
            if (required)
                complain(key, "is missing");
            return nullptr;
        }
        auto* list = value->if_array();
        if (!list)
            complain(key, "is no list");
        return list;
    }

    json::object* object(std::string_view key, bool required) {
        auto* value = find(key);
        if (!value) {
            if (required)
                complain(key, "is missing");
            return nullptr;
        }
        auto* object = value->if_object();
        if (!object)
            complain(key, "is no object");
        return object;
    }

    void complain(std::string_view key, std::string_view what) {
        if (problem_.empty())
            problem_ = fmt::format("{}{} {}", where_, key, what);
    }

    const std::string& problem() const { return problem_; }

  private:
    json::value* find(std::string_view key) {
        auto* value = from_.if_contains(key);
        return value && !value->is_null() ? value : nullptr;
    }

    json::object& from_;
    const std::string where_;
    std::string problem_;
};

outcome<json::object> files(json::object& body) {
    object_reader top(body, "has an unexpected shape: ");
    auto* list = top.list("images", true);
    if (list && list->empty())
        top.complain("images", "is empty");
    if (list && list->size() > most_files)
        top.complain("images", "has too many entries");
    if (!top.problem().empty())
        return wrong(top.problem());
    json::array out;
    out.reserve(list->size());
    for (auto& entry : *list) {
        auto* object = entry.if_object();
        if (!object)
            return wrong(fmt::format("has an unexpected shape: images[{}] is no object", out.size())
            );
        object_reader one(*object, fmt::format("has an unexpected shape: images[{}].", out.size()));
        json::object kept;
        kept["nsfw"] = one.flag("nsfw");
        kept["seed"] = one.integer("seed");
        auto url = one.text("url", true);
        if (url.empty())
            one.complain("url", "is empty");
        kept["url"] = std::move(url);
        if (!one.problem().empty())
            return wrong(one.problem());
        out.push_back(std::move(kept));
    }
    return json::object{{"images", std::move(out)}};
}

outcome<json::object> audio(json::object& body) {
    object_reader top(body, "has an unexpected shape: ");
    auto* object = top.object("audio", true);
    if (!object)
        return wrong(top.problem());
    object_reader one(*object, "has an unexpected shape: audio.");
    auto url = one.text("url", true);
    if (url.empty())
        one.complain("url", "is empty");
    if (!one.problem().empty())
        return wrong(one.problem());
    return json::object{{"audio", json::object{{"url", std::move(url)}}}};
}

outcome<json::object> text(json::object& body) {
    object_reader top(body, "has an unexpected shape: ");
    auto text = top.text("text", true);
    if (!top.problem().empty())
        return wrong(top.problem());
    return json::object{{"text", std::move(text)}};
}

outcome<json::object> chunks(json::object& body) {
    object_reader top(body, "has an unexpected shape: ");
    auto text = top.text("text", true);
    auto* list = top.list("chunks", false);
    if (!top.problem().empty())
        return wrong(top.problem());
    json::array out;
    if (list)
        out.reserve(list->size());
    for (std::size_t i = 0; list && i < list->size(); ++i) {
        auto* object = (*list)[i].if_object();
        if (!object)
            return wrong(fmt::format("has an unexpected shape: chunks[{}] is no object", i));
        object_reader one(*object, fmt::format("has an unexpected shape: chunks[{}].", i));
        json::array times;
        if (const auto* given = one.list("timestamp", false))
            for (const auto& time : *given) {
                // The last end of a recording may be unknown: null.
                if (!time.is_number() && !time.is_null())
                    one.complain("timestamp", "has an entry that is no number");
                times.push_back(time);
            }
        json::object kept;
        kept["text"] = one.text("text", true);
        kept["timestamp"] = std::move(times);
        if (!one.problem().empty())
            return wrong(one.problem());
        out.push_back(std::move(kept));
    }
    return json::object{{"chunks", std::move(out)}, {"text", std::move(text)}};
}

outcome<json::object> masks(json::object& body) {
    object_reader top(body, "has an unexpected shape: ");
    json::object out;
    for (const std::string_view key : {"logits", "masks", "scores"})
        out[key] = top.text(key, true);
    if (!top.problem().empty())
        return wrong(top.problem());
    return out;
}

// What a runner says instead of an answer.
std::string error_in(const json::object& body) {
    const auto* error = body.if_contains("error");
    if (!error || error->is_null())
        return {};
    if (const auto* text = error->if_string())
        return std::string(text->data(), text->size());
    if (const auto* object = error->if_object())
        if (const auto* message = object->if_contains("message"); message && message->is_string())
            return std::string(message->get_string().data(), message->get_string().size());
    return json::serialize(*error);
}

outcome<json::object> completion(json::object& body) {
    if (const auto error = error_in(body); !error.empty())
        return wrong("is an error: " + valid_utf8(error, 300));
    object_reader top(body, "has an unexpected shape: ");
    auto* list = top.list("choices", true);
    if (list && list->empty())
        top.complain("choices", "is empty");
    if (list && list->size() > most_choices)
        top.complain("choices", "has too many entries");
    json::object out;
    out["choices"] = nullptr; // below; first, as the network writes it
    out["created"] = top.integer("created");
    out["id"] = top.text("id", false);
    out["model"] = top.text("model", false);
    json::object usage{{"completion_tokens", 0}, {"prompt_tokens", 0}, {"total_tokens", 0}};
    if (auto* given = top.object("usage", false)) {
        object_reader counts(*given, "has an unexpected shape: usage.");
        for (auto& [key, value] : usage)
            value = counts.integer(key);
        if (!counts.problem().empty())
            return wrong(counts.problem());
    }
    out["usage"] = std::move(usage);
    if (!top.problem().empty())
        return wrong(top.problem());
    json::array choices;
    choices.reserve(list->size());
    for (std::size_t i = 0; i < list->size(); ++i) {
        auto* object = (*list)[i].if_object();
        if (!object)
            return wrong(fmt::format("has an unexpected shape: choices[{}] is no object", i));
        const auto where = fmt::format("has an unexpected shape: choices[{}].", i);
        object_reader one(*object, where);
        json::object kept;
        kept["finish_reason"] = one.text("finish_reason", false);
        kept["index"] = one.integer("index");
        auto* message = one.object("message", true);
        if (!one.problem().empty())
            return wrong(one.problem());
        object_reader said(*message, where + "message.");
        json::object words;
        words["content"] = said.text("content", false);
        words["role"] = said.text("role", false);
        if (words["role"].get_string().empty())
            words["role"] = "assistant";
        if (!said.problem().empty())
            return wrong(said.problem());
        kept["message"] = std::move(words);
        choices.push_back(std::move(kept));
    }
    out["choices"] = std::move(choices);
    return out;
}

outcome<json::object> shaped(reply_kind kind, json::object& body) {
    switch (kind) {
    case reply_kind::images:
    case reply_kind::video:
        return files(body);
    case reply_kind::audio:
        return audio(body);
    case reply_kind::text:
        return text(body);
    case reply_kind::chunks:
        return chunks(body);
    case reply_kind::masks:
        return masks(body);
    case reply_kind::completion:
        return completion(body);
    }
    return wrong("is of no known kind");
}

} // namespace

outcome<void> check_reply(reply_kind kind, json::object& body) {
    auto made = shaped(kind, body);
    if (!made)
        return made.error();
    body = std::move(*made);
    return {};
}

} // namespace rivulet::batch
