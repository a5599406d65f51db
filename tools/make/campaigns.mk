# Campaigns (tests/campaigns/README.md): `make campaigns` replays the fixed slice of each.

CAMPAIGN_SRC  := $(wildcard tests/campaigns/campaign_*.c)
CAMPAIGN_BINS := $(CAMPAIGN_SRC:%.c=$(O)/%)

$(O)/tests/campaigns/campaign_%: $(O)/tests/campaigns/campaign_%.o $(O)/tests/campaigns/driver.o $(O)/tests/campaigns/peak.o \
        $(O)/src/main/slots.o $(O)/libctl.a $(O)/libfakes.a $(O)/libnb.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -o $@

build-campaigns: $(CAMPAIGN_BINS) $(O)/neo4j-backup
campaigns: $(CAMPAIGN_BINS) $(O)/neo4j-backup
	@p=0; f=0; for b in $(CAMPAIGN_BINS); do \
	    if $$b; then p=$$((p + 1)); else f=$$((f + 1)); fi; done; \
	 echo "$$p passed, $$f failed"; [ $$f -eq 0 ]

.PHONY: build-campaigns campaigns
