"""A recorded day made by hand, small enough to know every book of it, and its files."""

OPENED = 34_200
STEM = "TEST_2012-06-21_34200000_57600000_{}_2.csv"
NONE_ASK, NONE_BID = "9999999999,0", "-9999999999,0"
# One message a second; the book beside it is the one after the message.
DAY = [
    ("1,1,100,999900,1", f"{NONE_ASK},999900,100,{NONE_ASK},{NONE_BID}"),
    ("1,2,50,1000100,-1", f"1000100,50,999900,100,{NONE_ASK},{NONE_BID}"),
    ("1,3,30,999900,1", f"1000100,50,999900,130,{NONE_ASK},{NONE_BID}"),
    ("2,1,40,999900,1", f"1000100,50,999900,90,{NONE_ASK},{NONE_BID}"),
    ("4,1,60,999900,1", f"1000100,50,999900,30,{NONE_ASK},{NONE_BID}"),
    ("5,0,10,1000050,-1", f"1000100,50,999900,30,{NONE_ASK},{NONE_BID}"),
    ("1,4,20,1000200,-1", f"1000100,50,999900,30,1000200,20,{NONE_BID}"),
    ("3,2,50,1000100,-1", f"1000200,20,999900,30,{NONE_ASK},{NONE_BID}"),
    ("7,0,0,-1,-1", f"1000200,20,999900,30,{NONE_ASK},{NONE_BID}"),
    ("1,5,10,999800,1", f"1000200,20,999900,30,{NONE_ASK},999800,10"),
    ("3,4,20,1000200,-1", f"{NONE_ASK},999900,30,{NONE_ASK},999800,10"),
]


def write_day(folder, stem=STEM, day=DAY):
    texts = (
        [f"{OPENED + second},{message}" for second, (message, _) in enumerate(day)],
        [book for _, book in day],
    )
    for content, lines in zip(("message", "orderbook"), texts, strict=True):
        (folder / stem.format(content)).write_text("".join(line + "\n" for line in lines))
    return folder
