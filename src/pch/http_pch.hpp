// Precompiled: asio_pch plus Beast's HTTP and JSON.
#include "asio_pch.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/json/value.hpp>
