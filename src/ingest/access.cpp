#include "ingest/access.hpp"

#include <algorithm>

namespace rivulet::ingest {

std::string key_of(const std::vector<std::pair<std::string, std::string>>& query) {
    for (const char* name : {"key", "token", "pass", "jwt"}) {
        const auto found = std::find_if(query.begin(), query.end(), [&](const auto& entry) {
            return entry.first == name && !entry.second.empty();
        });
        if (found != query.end())
            return found->second;
    }
    return {};
}

} // namespace rivulet::ingest
