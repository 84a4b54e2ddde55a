"""The currencies of ISO 4217 that money is counted in, with their minor units.

A table of our own: it changes once in a year or two, a library for it would bring the names of 300 languages, and the
codes that are no currency of a country (funds, metals, XXX) have to be left out in any case. As of January 2026, with
Bulgaria's lev gone.
"""

# By the number of decimals of the minor unit. Two are usual.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
    "NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
    "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
DECIMALS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}
"""The decimals of the minor unit of each currency, by its code: 2 for EUR, so 1250 minor units are 12.50."""


def amount(amount_minor: int, code: str) -> str:
    """An amount in its major unit, such as 12.50 EUR; in minor units where the currency is not known any more."""
    decimals = DECIMALS.get(code)
    if decimals is None:
        return f"{amount_minor} {code} minor"
    major, minor = divmod(amount_minor, 10**decimals)
    return f"{major:,}.{minor:0{decimals}} {code}" if decimals else f"{major:,} {code}"
