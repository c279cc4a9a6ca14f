// Everything of a batch request that strangers write, and of its answer: the first byte chooses the
// pipeline, the second the way in. Nothing may crash; what was accepted must hold what its type
// promises and survive a journal.
#include "batch/request.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

boost::json::object parsed(const std::string& text) {
    error_code ec;
    auto value = boost::json::parse(text, ec);
    require(!ec && value.is_object());
    return std::move(value.as_object());
}

// What is true of any request that was taken.
void check(const batch::request& made) {
    require(made.kind && !made.model.empty());
    require(made.units() >= 0);
    for (const auto& [name, value] : made.fields)
        require(made.kind->find(name) && !value.is_null());
    const auto text = batch::forwarded_json(made);
    require(parsed(text).size() == made.fields.size());
    require(batch::forwarded_form(made).size() == made.fields.size());
    const auto record = parsed(boost::json::serialize(batch::to_record(made)));
    const auto again = batch::from_record(record, made.file);
    require(again.has_value());
    require(batch::forwarded_json(*again) == text);
}

std::optional<batch::upload> some_file() {
    static const auto content = [] {
        auto made = std::make_shared<batch::spool>(batch::spool_limits());
        const std::uint8_t byte = 'x';
        (void)made->write({&byte, 1});
        return made;
    }();
    batch::upload file;
    file.content = content;
    return file;
}

void form(const batch::pipeline& kind, std::string_view text) {
    batch::form_values values;
    while (!text.empty() && values.size() < 100) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto equals = std::min(line.find('='), line.size());
        values.emplace_back(line.substr(0, equals), line.substr(std::min(equals + 1, line.size())));
    }
    auto made = batch::parse_form(kind, values, some_file());
    if (!made)
        return;
    check(*made);
    batch::media_facts facts;
    facts.width = facts.height = 64;
    facts.seconds = 2;
    require(batch::take_media(*made, facts).has_value());
    check(*made);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2)
        return 0;
    const auto kinds = batch::catalog();
    const auto& kind = kinds[data[0] % kinds.size()];
    const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    if (data[1] % 3 == 0) {
        if (const auto made = batch::parse_json(kind, text); made && kind.file_field().empty())
            check(*made);
        else if (!made)
            require(!made.error().message.empty());
        return 0;
    }
    if (data[1] % 3 == 1) {
        form(kind, text);
        return 0;
    }
    error_code ec;
    auto value = boost::json::parse(boost::json::string_view(text), ec);
    if (ec || !value.is_object())
        return 0;
    if (const auto made = batch::from_record(value.as_object(), some_file()))
        check(*made);
    auto body = std::move(value.as_object());
    if (batch::check_reply(kind.reply, body)) {
        const auto once = boost::json::serialize(body);
        require(batch::check_reply(kind.reply, body).has_value());
        require(boost::json::serialize(body) == once); // a good shape stays as it is
    }
    return 0;
}
