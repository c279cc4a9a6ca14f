// How a conversation's answer looks to its client: as the network sends it (/llm), or as OpenAI's
// clients want it (/v1/chat/completions). Pure. One object serves one answer.
#pragma once

#include "batch/api_error.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

class completion_dialect {
  public:
    virtual ~completion_dialect() = default;

    // A whole answer.
    virtual void whole(boost::json::object& body) = 0;
    // One chunk of a streamed one: the JSON text that the client gets instead; nothing: none.
    virtual std::optional<std::string> chunk(std::string_view json) = 0;
    // What goes between the last chunk and [DONE].
    virtual std::optional<std::string> closing() = 0;
    // A failure's body, and the whole reply while nothing was sent.
    virtual boost::json::object error(const api_error& why, std::string_view request_id) const = 0;
    http::response refusal(const api_error& why, std::string_view request_id) const;
};

// /llm: everything as it came.
class network_dialect final : public completion_dialect {
  public:
    void whole(boost::json::object&) override {}

    std::optional<std::string> chunk(std::string_view json) override { return std::string(json); }

    std::optional<std::string> closing() override { return {}; }

    boost::json::object error(const api_error& why, std::string_view request_id) const override;
};

} // namespace rivulet::batch
