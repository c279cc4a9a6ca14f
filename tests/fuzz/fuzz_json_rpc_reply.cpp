// What an Ethereum node answers, and what a contract returned inside it: never crashes, and no text
// is longer than asked for.
#include "session/contract_abi.hpp"
#include "session/json_rpc.hpp"
#include "session/keccak.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::session;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    std::string result(input);
    if (const auto reply = parse_json_rpc_reply(input, 1)) {
        if (const auto* text = reply->if_string()) {
            parse_quantity(std::string_view(*text));
            result = from_hex(std::string_view(*text)).value_or(std::string());
        }
    }
    for (std::size_t word = 0; word < 3; ++word) {
        if (const auto address = abi_read_address(result, word); address && address->size() != 20)
            std::abort();
        if (const auto text = abi_read_string(result, word, 100); text && text->size() > 100)
            std::abort();
        abi_read_bool(result, word);
    }
    return 0;
}
