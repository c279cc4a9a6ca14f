// A remote signer's answers to both questions, and the keystores that operators give. The first
// byte chooses; what is accepted must be fit for a request header.
#include "base/base64.hpp"
#include "payment/keystore.hpp"
#include "payment/signer_wire.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void reply(unsigned status, std::string_view text) {
    const auto answer = payment::parse_payment_reply(status, text);
    if (answer.what != payment::signer_reply::kind::paid) {
        require(!answer.text.empty() && answer.text.find('\n') == std::string::npos);
        return;
    }
    for (const auto& header : {answer.headers.payment, answer.headers.segment})
        require(!header.empty() && header.find_first_of("\r\n") == std::string::npos);
    // What it gave goes back to it in one piece.
    payment::payment_question question;
    question.state = answer.state;
    require(!payment::to_json(question).empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 4) {
    case 0:
        reply(200, text);
        break;
    case 1:
        reply(400 + data[0], text);
        break;
    case 2:
        if (const auto identity = payment::parse_identity(200, text))
            require(identity->address.size() == 20 && identity->signature.size() == 65);
        break;
    case 3:
        // Slow parameters are real ones; they would only cost the fuzzer its time.
        if (text.find("262144") == std::string_view::npos && text.size() < 600 &&
            text.find("\"kdf\"") == std::string_view::npos)
            (void)payment::open_keystore(text, "password");
        if (const auto raw = from_base64(text))
            require(to_base64(*raw).size() == text.size());
        break;
    }
    return 0;
}
