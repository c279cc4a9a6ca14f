// OpenAI's names for conversations, so that its clients work unchanged: POST /v1/chat/completions
// and GET /v1/models. What would mean something else here is refused by name; what only asks for
// something finer is ignored (docs/batch.md, "Conversations and OpenAI clients"). Pure.
#pragma once

#include "batch/completion_dialect.hpp"
#include "batch/request.hpp"

#include <boost/json/array.hpp>

namespace rivulet::batch {

struct openai_request {
    request checked;
    bool include_usage = false; // stream_options.include_usage

    openai_request() {}
};

// `body`: what was posted to /v1/chat/completions.
answer<openai_request> parse_openai(std::string_view body, const request_rules& rules = {});

// Fills in what OpenAI's clients insist on: object, id, created, model, a finish_reason that is
// null while there is none; usage only as asked for.
class openai_dialect final : public completion_dialect {
  public:
    // `created`: seconds since 1970, of the request; used where the orchestrator names none.
    openai_dialect(
        std::string request_id, std::string model, std::int64_t created, bool include_usage
    );

    void whole(boost::json::object& body) override;
    std::optional<std::string> chunk(std::string_view json) override;
    std::optional<std::string> closing() override;
    // {"error":{"message","type","param","code"},"detail":{"msg"}}
    boost::json::object error(const api_error& why, std::string_view request_id) const override;

  private:
    void take_names(const boost::json::object& from);
    boost::json::object frame(std::string_view object) const;

    std::string id_, model_;
    std::int64_t created_ = 0;
    bool include_usage_ = false;
    bool named_ = false;
    boost::json::value usage_; // the newest; null: none
};

// Who offers models for conversations, in the words of session::manager::network_capabilities():
// the list of GET /v1/models. `created`: seconds since 1970.
boost::json::object
openai_models(const boost::json::object& network_capabilities, std::int64_t created);
// GET /v1/models/{model}: its entry of that list; nothing when nobody has it.
std::optional<boost::json::object>
openai_model(const boost::json::object& models, std::string_view model);

} // namespace rivulet::batch
