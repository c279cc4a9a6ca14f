// A request's body as an orchestrator gets it: JSON, or a form whose file comes first and is read
// from its spool while it is sent. The same bytes for every try (spec/batch.md 4.1). Pure.
#pragma once

#include "batch/request.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::batch {

struct forwarded_body {
    std::string content_type;
    std::string before; // all of it when there is no file
    std::shared_ptr<const spool> file;
    std::string after;

    forwarded_body() {}

    std::uint64_t size() const;
};

// `boundary`: of a form; nothing that a file may contain by chance.
forwarded_body body_of(const request& from, const std::string& boundary);

} // namespace rivulet::batch
