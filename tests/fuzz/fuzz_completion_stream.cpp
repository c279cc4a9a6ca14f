// An orchestrator's event stream of a conversation, in pieces whose size the first byte says: every
// chunk that comes out must be one line of JSON, pieces make no difference, and OpenAI's dialect
// takes all of them.
#include "batch/completion_stream.hpp"
#include "batch/openai.hpp"

#include <boost/json/parse.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct reading {
    std::vector<std::string> chunks;
    bool failed = false, finished = false;
    std::int64_t tokens = 0;
};

reading read(std::string_view text, std::size_t piece) {
    batch::completion_stream stream;
    reading made;
    for (std::size_t at = 0; at < text.size() && !made.failed; at += piece)
        made.failed = !stream.feed(text.substr(at, piece));
    if (!made.failed)
        made.failed = !stream.end();
    while (auto next = stream.next())
        made.chunks.push_back(std::move(*next));
    made.finished = stream.finished();
    made.tokens = stream.total_tokens();
    return made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto pieces = read(text, data[0] % 31 + 1);
    const auto whole = read(text, size);
    require(pieces.chunks == whole.chunks && pieces.failed == whole.failed);
    require(pieces.finished == whole.finished && pieces.tokens == whole.tokens);
    require(pieces.failed != pieces.finished && pieces.tokens >= 0);

    batch::openai_dialect openai("1a2b3c4d", "model", 1, true);
    for (const auto& chunk : pieces.chunks) {
        require(chunk.find_first_of("\r\n") == std::string::npos);
        error_code broken;
        auto parsed = boost::json::parse(chunk, broken);
        require(!broken && parsed.is_object());
        if (const auto said = openai.chunk(chunk))
            require(boost::json::parse(*said).at("object") == "chat.completion.chunk");
        openai.whole(parsed.get_object());
        require(parsed.at("choices").is_array());
    }
    if (const auto last = openai.closing())
        require(boost::json::parse(*last).at("choices").as_array().empty());
    return 0;
}
